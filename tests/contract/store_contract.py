"""The contract of every store; the module of each store runs these tests."""

from tests.contract.activity_polls import ActivityPollsContract
from tests.contract.aliases import AliasesContract
from tests.contract.answers import AnswersContract
from tests.contract.api_keys import ApiKeysContract
from tests.contract.callbacks import CallbacksContract
from tests.contract.clock_set_back import ClockSetBackContract
from tests.contract.deadlines import DeadlinesContract
from tests.contract.deliveries import DeliveriesContract
from tests.contract.dropped_bodies import DroppedBodiesContract
from tests.contract.event_replays import EventReplaysContract
from tests.contract.events import EventsContract
from tests.contract.gauges import GaugesContract
from tests.contract.inbox import InboxContract
from tests.contract.inbox_changes import InboxChangesContract
from tests.contract.notifications import NotificationsContract
from tests.contract.parked import ParkedContract
from tests.contract.postponed_heartbeats import PostponedHeartbeatsContract
from tests.contract.received_heartbeats import ReceivedHeartbeatsContract
from tests.contract.result_schemas import ResultSchemasContract
from tests.contract.retention import RetentionContract
from tests.contract.search import SearchContract, WriteCheckContract
from tests.contract.sender_polls import SenderPollsContract
from tests.contract.sent_heartbeats import SentHeartbeatsContract
from tests.contract.sessions import SessionsContract
from tests.contract.unreadable_rows import UnreadableRowsContract
from tests.contract.votes import VotesContract
from tests.contract.webhooks import WebhooksContract
from tests.contract.wide_runs import WideRunsContract


class StoreContract(
    CallbacksContract,
    AliasesContract,
    AnswersContract,
    EventsContract,
    EventReplaysContract,
    DeliveriesContract,
    ParkedContract,
    ClockSetBackContract,
    DeadlinesContract,
    ActivityPollsContract,
    WideRunsContract,
    SenderPollsContract,
    ReceivedHeartbeatsContract,
    SentHeartbeatsContract,
    PostponedHeartbeatsContract,
    WebhooksContract,
    NotificationsContract,
    ApiKeysContract,
    SessionsContract,
    ResultSchemasContract,
    RetentionContract,
    DroppedBodiesContract,
    SearchContract,
    InboxContract,
    InboxChangesContract,
    WriteCheckContract,
    UnreadableRowsContract,
    VotesContract,
    GaugesContract,
):
    """Runs on every store.

    `store`, `database` and `clock` come from the store's module.
    """
