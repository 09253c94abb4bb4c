"""All ports of a store as one type, and callbacks in every state."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final, Protocol

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import VERDICTS, Accepted, Callback, State
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.ports.access import ApiKeys, Sessions, SignInUrls
from ringback.ports.activity_polls import ActivityPollStore
from ringback.ports.aliases import AliasStore
from ringback.ports.deadlines import Deadlines, DueTimes, SenderPollStore
from ringback.ports.deliveries import DeliveryQueue, GiveUp, ParkedAnswers, Settlement
from ringback.ports.events import EventStore
from ringback.ports.gauges import GaugeStore
from ringback.ports.notifications import NotificationOutbox
from ringback.ports.retention import EndedRecords, Leftovers, RecordKind, StoredBodies
from ringback.ports.store import CallbackIndex, CallbackStore, ChangeFeed, Links, WriteCheck
from ringback.ports.votes import InboxStore, VoteStore
from ringback.ports.webhooks import WebhookOutbox
from ringback.testing import ManualClock
from tests import factories

LEASE: Final = timedelta(seconds=30)
SECOND: Final = timedelta(seconds=1)

OUTCOMES: Final[list[Outcome]] = [
    Completed(b'{"amount": 1}'),
    Completed(b"null"),
    Completed(None),
    Failed("card declined"),
    Failed("\x00 \ud800 \N{SNOWMAN} ' \" \\"),
    Failed(
        "card declined",
        type="Declined",
        non_retryable=True,
        details=b'[{"code": 5}, null]',
        next_retry_delay=timedelta(seconds=1.5),
    ),
    Canceled(b'"by the customer"'),
    Canceled(None),
]


class Store(
    CallbackStore,
    AliasStore,
    EventStore,
    DeliveryQueue,
    ParkedAnswers,
    Deadlines,
    ActivityPollStore,
    SenderPollStore,
    WebhookOutbox,
    NotificationOutbox,
    VoteStore,
    DueTimes,
    Links,
    ApiKeys,
    Sessions,
    SignInUrls,
    Leftovers,
    CallbackIndex,
    InboxStore,
    ChangeFeed,
    WriteCheck,
    GaugeStore,
    Protocol,
):
    """All ports of a store."""

    @property
    def ended(self) -> Mapping[RecordKind, EndedRecords]: ...

    @property
    def bodies(self) -> Mapping[RecordKind, StoredBodies]: ...


async def opened(store: Store) -> Callback:
    (callback,) = await store.open([factories.request()])
    return callback


async def found(store: Store, callback_id: CallbackId) -> Callback:
    return (await store.find([callback_id]))[callback_id]


async def accepted(store: Store, outcome: Outcome | None = None) -> Callback:
    callback = await opened(store)
    await store.accept([factories.answer(callback.id, outcome)])
    return await found(store, callback.id)


async def due_callbacks(store: Store, clock: ManualClock, count: int) -> list[CallbackId]:
    request = factories.request(deadline=SECOND, on_deadline=Completed(b"0"))
    requests = [factories.request_of(request, ref=factories.activity_ref()) for _ in range(count)]
    callbacks = await store.open(requests)
    clock.advance(SECOND)
    return [callback.id for callback in callbacks]


async def accepted_callbacks(store: Store, count: int) -> list[Callback]:
    requests = [factories.request() for _ in range(count)]
    callbacks = await store.open(requests)
    await store.accept([factories.answer(callback.id) for callback in callbacks])
    return list((await store.find([callback.id for callback in callbacks])).values())


async def claimed(store: Store, owner: str = "me") -> Callback:
    await accepted(store)
    (callback,) = await store.claim(owner, limit=1, lease=LEASE)
    return callback


async def settled(store: Store, verdict: State, outcome: Outcome | None = None) -> Callback:
    callback = await accepted(store, outcome)
    await store.settle([factories.settlement(callback, verdict, {"by": "a test"})])
    return await found(store, callback.id)


async def in_state(store: Store, state: State) -> Callback:
    if state is State.OPEN:
        return await opened(store)
    if state is State.ACCEPTED:
        return await accepted(store)
    if state is State.EXPIRED:
        callback = await opened(store)
        await store.expire([factories.expiry(callback, "timed out")])
        return await found(store, callback.id)
    return await settled(store, state)


async def try_to_move(store: Store, callback: Callback, wanted: State) -> None:
    if wanted is State.ACCEPTED:
        await store.accept([factories.answer(callback.id)])
        await store.redeliver(callback.id)
    if wanted is State.EXPIRED:
        await store.expire([factories.expiry(callback, "over")])
    if wanted in VERDICTS and callback.accepted is not None:
        await store.settle([factories.settlement(callback, wanted)])
        if wanted is not State.PARKED:
            await store.give_up(to_give_up(callback, wanted))


def to_give_up(
    of: Callback,
    verdict: State = State.SUPERSEDED,
    *,
    proof: dict[str, object] | None = None,
    facts: dict[str, object] | None = None,
) -> GiveUp:
    """Return the end of a callback as it was read; without an outcome, of its first try."""
    tries = 0 if of.accepted is None else of.accepted.tries
    settlement = Settlement(of.id, tries, verdict, proof or {})
    return GiveUp(settlement, of.attempt_started_at, facts or {})


async def state_of(store: Store, callback_id: CallbackId) -> State:
    return (await found(store, callback_id)).state


async def deliver_inline(store: Store, callback: Callback, worker: str = "w") -> bool:
    return await store.deliver_inline(
        callback.id,
        worker=worker,
        attempt_started_at=callback.attempt_started_at,
        lease=LEASE,
    )


def outcome_of(callback: Callback | None) -> Accepted:
    assert callback is not None
    assert callback.accepted is not None
    return callback.accepted


async def entries_of(
    store: Store, callback_id: CallbackId, kind: AuditKind
) -> Sequence[AuditEntry]:
    return [entry for entry in await store.audit_trail(callback_id) if entry.kind is kind]


async def kinds(store: Store, callback_id: CallbackId) -> list[AuditKind]:
    return [entry.kind for entry in await store.audit_trail(callback_id)]
