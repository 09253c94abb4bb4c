"""Whether anything is wrong, as an operator asks at three in the morning."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from ringback.core.api_auth import RevokedUse
from ringback.core.gauges import Reading
from ringback.domain.callback import State
from ringback.domain.event import EventState, SourceActivity
from ringback.domain.ids import CallbackId
from ringback.domain.link import Keyring
from ringback.gateway.gateway import Gateway
from ringback.gateway.health import TemporalStatus
from ringback.gateway.source_door import NOT_REFUSED
from ringback.ports.gauges import Troubles
from ringback.schemas.retention import SummaryOut, TroubleOut

PATIENCE: Final = timedelta(minutes=1)
"""How long a delivery or a deadline may be late before it is a problem."""

RECENT: Final = timedelta(hours=1)
"""How old a refusal of a source or of a key may be."""

MANY_REFUSED: Final = 10
"""How many refusals of a source are a problem."""

_COUNTED_WITHIN: Final = timedelta(seconds=1)
_EXAMPLES: Final = 100
_HOUR: Final = 60
_TWO_DAYS: Final = 48 * _HOUR
_NEWEST_EVENTS: Final = 100
_ALERTS: Final = "docs/howto/alerts.md#ringback"


async def summarize(gateway: Gateway) -> SummaryOut:
    """Return whether anything is wrong, the most urgent problems first.

    Raises:
        StoreUnavailableError: The store went away meanwhile; retry.
    """
    reading = await gateway.gauges.read(counts_within=_COUNTED_WITHIN)
    temporal = await gateway.health.temporal()
    problems = list(_of_services(reading, temporal))
    if reading is None:
        return _to_out(gateway, reading, temporal, store="unavailable", problems=problems)
    is_writable = await gateway.health.can_write()
    if not is_writable:
        problems.insert(0, _CANNOT_WRITE)
    troubles = await gateway.store.troubles(most=_EXAMPLES)
    problems += _of_links(gateway.keyring, troubles)
    now = gateway.clock.now()
    problems += _of_keys([
        one for one in gateway.authorizer.revoked_uses if now - one.last_at <= RECENT
    ])
    problems += _of_callbacks(reading, troubles)
    problems += _of_queues(gateway)
    problems += _of_sources(gateway, await _activity(gateway))
    problems += _of_messages(troubles)
    store = "ok" if is_writable else "not writable"
    return _to_out(gateway, reading, temporal, store=store, problems=problems)


def _to_out(
    gateway: Gateway,
    reading: Reading | None,
    temporal: TemporalStatus,
    *,
    store: str,
    problems: Sequence[TroubleOut],
) -> SummaryOut:
    now = since = late = None
    states: Mapping[State, int] = {}
    if reading is not None:
        now, late = reading.snapshot.at, reading.snapshot.overdue_since
        since, states = reading.undelivered_since, reading.states
    return SummaryOut(
        is_well=not problems,
        problems=list(problems),
        store=store,
        temporal=temporal.value,
        callbacks={one.value: states[one] for one in State if one in states} or None,
        oldest_undelivered_seconds=_seconds(since, now),
        oldest_overdue_seconds=_seconds(late, now),
        events_waiting=None if reading is None else reading.snapshot.events.count,
        version=gateway.version,
        namespace=gateway.namespace,
    )


_CANNOT_WRITE: Final = TroubleOut(
    what="store",
    message="the store can be read, but answers cannot be stored",
    advice="free space on its disk, or end what locks it; run: ringback doctor",
    page=f"{_ALERTS}storecannotwrite",
)


def _of_services(reading: Reading | None, temporal: TemporalStatus) -> Iterator[TroubleOut]:
    if reading is None:
        yield TroubleOut(
            what="store",
            message="the store cannot be read, so senders get 503 and retry",
            advice="bring the database back; the gateway reconnects by itself",
            page=f"{_ALERTS}storedown",
        )
    if temporal is TemporalStatus.UNREACHABLE:
        yield TroubleOut(
            what="temporal",
            message="Temporal cannot be reached, so answers are stored and wait",
            advice="bring Temporal back; the gateway delivers by itself. Run: ringback doctor",
            page=f"{_ALERTS}temporaldown",
        )
    if temporal is TemporalStatus.MISCONFIGURED:
        yield TroubleOut(
            what="temporal",
            message="Temporal rejects the gateway, or serves another namespace",
            advice="correct TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE, the API key or the certificate",
            page=f"{_ALERTS}temporaldown",
        )


def _of_links(keyring: Keyring, troubles: Troubles) -> Iterator[TroubleOut]:
    if missing := keyring.missing(troubles.link_keys):
        yield TroubleOut(
            what="link keys",
            message=f"the link key {', '.join(missing)} of open callbacks is missing, so their"
            " senders get 404",
            advice="add the key again after the one that signs now, and restart the gateway",
            page=f"{_ALERTS}linkkeymissing",
        )


def _of_keys(uses: Sequence[RevokedUse]) -> Iterator[TroubleOut]:
    for use in uses:
        key = use.key
        yield TroubleOut(
            what="api keys",
            message=f"a program uses the API key {key.id} ({key.name}, {key.role.value}), which is"
            f" revoked: {use.count} requests got 401",
            advice=f"give it another key: ringback keys add --role {key.role.value} --name NAME; or"
            " stop the program",
            page=f"{_ALERTS}keyrevoked",
        )


def _of_callbacks(reading: Reading, troubles: Troubles) -> Iterator[TroubleOut]:
    now = reading.snapshot.at
    since, late = reading.undelivered_since, reading.snapshot.overdue_since
    if since is not None and now - since >= PATIENCE and troubles.undelivered:
        yield TroubleOut(
            what="undelivered",
            message=f"an accepted answer has waited {_age(since, now)} for its delivery",
            advice=f"read the last error: ringback show {troubles.undelivered[0]}; all of them:"
            " ringback list --state accepted",
            page=f"{_ALERTS}undeliveredtooold",
        )
    if troubles.parked:
        yield TroubleOut(
            what="parked",
            message=f"{_count(troubles.parked, 'answer is', 'answers are')} parked:"
            f" {_some(troubles.parked)}",
            advice=f"read why: ringback show {troubles.parked[0]}; then: ringback redeliver"
            f" {troubles.parked[0]}; or, if its workflow is gone: ringback give-up"
            f" {troubles.parked[0]}",
            page=f"{_ALERTS}parked",
        )
    if late is not None and now - late >= PATIENCE:
        yield TroubleOut(
            what="overdue",
            message=f"{_count(troubles.overdue, 'open callback is', 'open callbacks are')}"
            f" overdue, the longest by {_age(late, now)}: {_some(troubles.overdue)}",
            advice="answer or extend them: ringback list --overdue",
            page=f"{_ALERTS}overdue",
        )


def _of_queues(gateway: Gateway) -> Iterator[TroubleOut]:
    for name, is_connected in sorted(gateway.queue_states().items()):
        if not is_connected:
            yield TroubleOut(
                what="queue",
                message=f"the queue {name} is not connected",
                advice="bring its broker back, or correct its URL; run: ringback doctor",
                page=f"{_ALERTS}queuedisconnected",
            )


async def _activity(gateway: Gateway) -> Sequence[tuple[str, SourceActivity]]:
    names = [*gateway.source_door.sources, *gateway.source_door.queues]
    found = await gateway.store.source_activity(gateway.namespace, names, newest=_NEWEST_EVENTS)
    return list(zip(names, found, strict=True))


def _of_sources(
    gateway: Gateway, activity: Sequence[tuple[str, SourceActivity]]
) -> Iterator[TroubleOut]:
    now, ledger = gateway.clock.now(), gateway.source_door.ledger
    for name in gateway.source_door.sources:
        recent = [one for one in ledger.refused(name) if now - one.last_at <= RECENT]
        count = sum(one.count for one in recent if one.reason not in NOT_REFUSED)
        if count >= MANY_REFUSED:
            yield TroubleOut(
                what="source",
                message=f"the source {name} refused {count} requests, the last as"
                f" {recent[0].reason}",
                advice=f"read the diagnosis: ringback sources refused {name}",
                page=f"{_ALERTS}sourcerefused",
            )
    for name, seen in activity:
        dead = seen.recent.get(EventState.DEAD, 0)
        is_recent = seen.last_event_at is not None and now - seen.last_event_at <= 24 * RECENT
        if dead and is_recent:
            yield TroubleOut(
                what="events",
                message=f"{dead} of the newest events of {name} could not be used",
                advice=f"read why: ringback events --source {name} --state dead; correct the rule"
                " and replay them",
                page=f"{_ALERTS}deadevents",
            )


def _of_messages(troubles: Troubles) -> Iterator[TroubleOut]:
    if troubles.failing_webhooks:
        yield TroubleOut(
            what="webhooks",
            message=f"{troubles.failing_webhooks} webhooks fail and are retried",
            advice="the log has the reason of each: grep 'webhook retrying'",
            page=f"{_ALERTS}webhooksfail",
        )
    for channel, count in sorted(troubles.failing_notifications.items()):
        yield TroubleOut(
            what="notifications",
            message=f"{count} messages through {channel} fail and are retried",
            advice=f"send a test message: ringback notify test {channel}",
            page=f"{_ALERTS}notificationsfail",
        )

    if gone := troubles.given_up_webhooks:
        yield TroubleOut(
            what="webhooks",
            message=f"{_count(gone, 'webhook was', 'webhooks were')} given up in the last 24 hours:"
            f" {_some(gone)}",
            advice=f"read which: ringback show {gone[0]}; they are not sent again, so the receiver"
            " has to read the state",
            page=f"{_ALERTS}webhooksfail",
        )
    for channel, unsent in troubles.given_up_notifications.items():
        yield TroubleOut(
            what="notifications",
            message=f"messages through {channel} were given up, and"
            f" {_count(unsent, 'question is', 'questions are')} still open: {_some(unsent)}",
            advice=f"tell the people: ringback show {unsent[0]}; correct the channel:"
            f" ringback notify test {channel}",
            page=f"{_ALERTS}notificationsfail",
        )


def _seconds(since: datetime | None, now: datetime | None) -> float | None:
    if since is None or now is None:
        return None
    return max(0.0, (now - since).total_seconds())


def _age(since: datetime, now: datetime) -> str:
    minutes = (now - since) // timedelta(minutes=1)
    if minutes < _HOUR:
        return f"{minutes} min"
    return f"{minutes // _HOUR} h" if minutes < _TWO_DAYS else f"{minutes // (24 * _HOUR)} d"


def _count(ids: Sequence[CallbackId], one: str, many: str) -> str:
    at_least = "at least " if len(ids) == _EXAMPLES else ""
    return f"{at_least}{len(ids)} {one if len(ids) == 1 else many}"


def _some(ids: Sequence[CallbackId]) -> str:
    return ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1} more"
