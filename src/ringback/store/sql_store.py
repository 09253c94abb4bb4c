"""The whole store on a SQL database."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property

from ringback.domain.ids import CallbackId
from ringback.ports.retention import EndedRecords, RecordKind, StoredBodies
from ringback.store.activity_polls import SqlActivityPolls
from ringback.store.aliases import SqlAliases
from ringback.store.answers import SqlAnswers
from ringback.store.api_keys import SqlApiKeys
from ringback.store.callbacks import SqlCallbacks
from ringback.store.deadlines import SqlDeadlines, SqlSenderPolls
from ringback.store.deliveries import SqlDeliveries
from ringback.store.dropped_bodies import SqlCallbackBodies, SqlEventBodies
from ringback.store.due_times import SqlDueTimes
from ringback.store.event_replays import SqlEventReplays
from ringback.store.event_retention import SqlEndedDeliveries
from ringback.store.events import SqlEvents
from ringback.store.gauges import SqlGauges
from ringback.store.heartbeats import SqlHeartbeats
from ringback.store.inbox import SqlInbox
from ringback.store.links import SqlLinks
from ringback.store.notifications import SqlNotificationOutbox
from ringback.store.result_schemas import SqlSchemas
from ringback.store.retention import SqlEndedCallbacks
from ringback.store.search import SqlCallbackIndex
from ringback.store.sessions import SqlSessions
from ringback.store.verdicts import SqlVerdicts
from ringback.store.votes import SqlVotes
from ringback.store.webhook_outbox import SqlWebhookOutbox


class SqlStore(
    SqlCallbacks,
    SqlAliases,
    SqlEvents,
    SqlEventReplays,
    SqlLinks,
    SqlAnswers,
    SqlDeliveries,
    SqlVerdicts,
    SqlVotes,
    SqlInbox,
    SqlDeadlines,
    SqlDueTimes,
    SqlActivityPolls,
    SqlSenderPolls,
    SqlHeartbeats,
    SqlWebhookOutbox,
    SqlNotificationOutbox,
    SqlApiKeys,
    SqlSessions,
    SqlSchemas,
    SqlCallbackIndex,
    SqlGauges,
):
    """All ports of `ringback.ports.store` on a SQL database."""

    @cached_property
    def ended(self) -> Mapping[RecordKind, EndedRecords]:
        """What ends and is deleted some time later, by kind."""
        return {
            RecordKind.CALLBACKS: SqlEndedCallbacks(self._database),
            RecordKind.EVENTS: SqlEndedDeliveries(self._database),
        }

    @cached_property
    def bodies(self) -> Mapping[RecordKind, StoredBodies]:
        """What has bodies that may be dropped earlier."""
        return {
            RecordKind.CALLBACKS: SqlCallbackBodies(self._database),
            RecordKind.EVENTS: SqlEventBodies(self._database),
        }

    async def check_write(self) -> None:
        await self._database.check_write()

    async def subscribe(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        await self._database.subscribe(on_accepted=on_accepted, on_settled=on_settled)
