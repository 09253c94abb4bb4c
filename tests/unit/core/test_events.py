"""Events reach the callbacks that have their aliases, or their state says why not."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final

import pytest

from ringback.core.aliases import AliasService
from ringback.core.answers import AnswerService
from ringback.core.events import FIRST_WAIT, LEASE, EventService
from ringback.core.services import run_services
from ringback.domain.activity_state import LastFailure
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.errors import MalformedAnswerError, StoreUnavailableError
from ringback.domain.event import EventState, EventSummary
from ringback.domain.link import Verb
from ringback.domain.outcome import Completed, Outcome
from ringback.domain.policy import Policy
from ringback.gateway.body import TO_OUTCOME
from ringback.ports.aliases import AliasOwner
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.contract.events import HOUR, RUN, delivery, event
from tests.loops import idle
from tests.pollers import heartbeat_service
from tests.unit.core.callbacks import open_callback, reload

SECOND: Final = timedelta(seconds=1)
SLOTS: Final = 64


def to_outcome(action: Verb, body: bytes | None) -> Outcome:
    return TO_OUTCOME[action](body)


@pytest.fixture
async def answers(store: SqlStore, activities: FakeActivities) -> AsyncIterator[AnswerService]:
    answers = factories.answer_service(store, activities)
    async with run_services(answers):
        yield answers


@asynccontextmanager
async def running(
    store: SqlStore,
    activities: FakeActivities,
    answers: AnswerService,
    clock: ManualClock,
    to_outcome: Callable[[Verb, bytes | None], Outcome] = to_outcome,
) -> AsyncIterator[EventService]:
    aliases = AliasService(store, namespace="default")
    heartbeats = heartbeat_service(store, activities)
    service = EventService(
        store, aliases, answers, heartbeats, to_outcome, clock=clock, jitter=lambda: 1.0
    )
    async with run_services(heartbeats, service):
        yield service


@pytest.fixture
async def service(
    store: SqlStore, activities: FakeActivities, answers: AnswerService, clock: ManualClock
) -> AsyncIterator[EventService]:
    async with running(store, activities, answers, clock) as service:
        yield service


async def opened(store: SqlStore, activities: FakeActivities, **options: Any) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    return await open_callback(store, activities, ref, **{"aliases": (RUN,), **options})


async def shown(store: SqlStore) -> list[EventSummary]:
    """Return all events, the oldest first, once nothing moves."""
    await idle()
    return list(await store.list_events("default", limit=1000))[::-1]


async def test_event_answers_the_callback_of_its_alias(
    service: EventService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await opened(store, activities)

    assert await service.store(delivery())

    (found,) = await shown(store)
    assert (found.state, found.callback_id) == (EventState.MATCHED, callback.id)
    assert (found.delivery_key, found.waits_until, found.reason) == ("d1", None, None)
    accepted = (await reload(store, callback)).accepted
    assert accepted is not None
    assert accepted.outcome == Completed(b'{"ok": true}')


async def test_event_before_its_alias_is_used_when_that_appears(
    service: EventService, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    await service.store(delivery())
    assert [one.state for one in await shown(store)] == [EventState.WAITING]

    callback = await opened(store, activities)
    clock.advance(SECOND)

    assert [one.callback_id for one in await shown(store)] == [callback.id]
    assert (await reload(store, callback)).state is State.ACCEPTED


async def test_first_event_answers_and_the_later_ones_are_recorded(
    service: EventService, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    for number, body in enumerate([b"1", b"1", b"2"]):
        await service.store(delivery(event(body=body), key=str(number)))
        clock.advance(SECOND)
    callback = await opened(store, activities)
    clock.advance(SECOND)

    first, same, other = await shown(store)

    assert (first.state, same.state) == (EventState.MATCHED, EventState.MATCHED)
    assert other.state is EventState.IGNORED
    assert other.reason == "the callback already has another answer"
    accepted = (await reload(store, callback)).accepted
    assert accepted is not None
    assert accepted.outcome == Completed(b"1")


async def test_equal_delivery_is_not_a_second_event(service: EventService, store: SqlStore) -> None:
    assert await service.store(delivery())
    assert not await service.store(delivery())
    assert len(await shown(store)) == 1


async def test_heartbeat_reaches_the_activity_and_leaves_the_callback_open(
    service: EventService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await opened(store, activities, heartbeat_timeout=HOUR)

    await service.store(delivery(event(action=Verb.HEARTBEAT, body=b"5")))

    assert [one.state for one in await shown(store)] == [EventState.MATCHED]
    assert activities.heartbeats == [(callback.ref, b"5")]
    assert (await reload(store, callback)).state is State.OPEN


async def test_heartbeat_between_two_attempts_is_kept(
    service: EventService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await opened(store, activities, heartbeat_timeout=HOUR)
    activities.back_off(callback.ref, LastFailure("timeout", "", None))

    await service.store(delivery(event(action=Verb.HEARTBEAT, body=b"5")))

    assert [one.state for one in await shown(store)] == [EventState.MATCHED]


async def test_event_without_an_alias_in_time_is_unmatched(
    service: EventService, store: SqlStore, clock: ManualClock
) -> None:
    await service.store(delivery())
    await idle()
    clock.advance(HOUR)

    (found,) = await shown(store)

    assert found.state is EventState.UNMATCHED
    assert found.reason == (
        f"no callback got the alias {RUN!r} until {format_instant(factories.NOW + HOUR)}"
    )


async def test_event_waits_on_when_its_alias_was_removed_before_its_turn(
    store: SqlStore, activities: FakeActivities, answers: AnswerService, clock: ManualClock
) -> None:
    callback = await opened(store, activities)
    await store.store_deliveries([delivery()])
    await store.remove_alias(callback.id, RUN)

    async with running(store, activities, answers, clock):
        (found,) = await shown(store)
        await store.add_alias(callback.id, RUN)
        clock.advance(SECOND)
        (later,) = await shown(store)

    assert (found.state, found.tries) == (EventState.WAITING, 1)
    assert (later.state, later.callback_id) == (EventState.MATCHED, callback.id)


async def test_event_after_the_end_of_its_callback_waits_for_no_other(
    service: EventService, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await opened(store, activities)
    await store.expire([factories.expiry(callback, "timed out")])

    await service.store(delivery())
    (found,) = await shown(store)
    later = await opened(store, activities)
    clock.advance(SECOND)
    await idle()

    assert (found.state, found.callback_id) == (EventState.UNMATCHED, callback.id)
    assert found.reason == f"it came after {callback.id}, which had the alias, had ended"
    assert (await reload(store, later)).state is State.OPEN


async def test_event_that_had_answered_is_matched_when_it_is_led_again(
    store: SqlStore, activities: FakeActivities, answers: AnswerService, clock: ManualClock
) -> None:
    """The process that answered with it was killed before it said so; the callback has ended."""
    callback = await opened(store, activities)
    await store.store_deliveries([delivery()])
    await store.claim_events(limit=1, lease=LEASE)
    await answers.accept(callback.id, Completed(b'{"ok": true}'))
    await store.settle([factories.settlement(await reload(store, callback))])
    clock.advance(LEASE)

    async with running(store, activities, answers, clock):
        (found,) = await shown(store)

    assert (found.state, found.callback_id) == (EventState.MATCHED, callback.id)


@pytest.mark.parametrize("is_answered", [False, True])
async def test_event_that_is_led_again_reaches_no_later_callback_with_its_alias(
    store: SqlStore,
    activities: FakeActivities,
    answers: AnswerService,
    clock: ManualClock,
    *,
    is_answered: bool,
) -> None:
    """The process that claimed it was killed; its callback ended, and another got the alias."""
    callback = await opened(store, activities)
    await store.store_deliveries([delivery()])
    await store.claim_events(limit=1, lease=LEASE)
    if is_answered:
        await answers.accept(callback.id, Completed(b'{"ok": true}'))
        await store.settle([factories.settlement(await reload(store, callback))])
    else:
        await store.expire([factories.expiry(callback, "timed out")])
    later = await opened(store, activities)

    async with running(store, activities, answers, clock):
        (found,) = await shown(store)

    assert found.state is (EventState.MATCHED if is_answered else EventState.UNMATCHED)
    assert found.callback_id == callback.id
    assert (await reload(store, later)).state is State.OPEN


async def test_clock_behind_that_of_the_database_does_not_keep_an_event(
    store: SqlStore, activities: FakeActivities, answers: AnswerService, clock: ManualClock
) -> None:
    await store.store_deliveries([delivery()])
    behind = ManualClock(clock.now())
    clock.advance(HOUR)

    async with running(store, activities, answers, behind):
        (found,) = await shown(store)

    assert (found.state, found.tries) == (EventState.UNMATCHED, 1)


async def test_activity_that_ended_meanwhile_leaves_the_event_unmatched(
    service: EventService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await opened(store, activities, heartbeat_timeout=HOUR)
    activities.end(callback.ref, how="timed out")

    await service.store(delivery(event(action=Verb.HEARTBEAT)))

    (found,) = await shown(store)
    assert (found.state, found.callback_id) == (EventState.UNMATCHED, callback.id)
    assert "timed out" in str(found.reason)


async def test_reason_that_quotes_the_event_is_a_text_that_every_database_stores(
    store: SqlStore, activities: FakeActivities, answers: AnswerService, clock: ManualClock
) -> None:
    def refuse(_: Verb, _body: bytes | None) -> Outcome:
        raise MalformedAnswerError("a\x00b\ud800c\n" + "x" * 2000)

    await opened(store, activities)
    async with running(store, activities, answers, clock, refuse) as service:
        await service.store(delivery())
        (found,) = await shown(store)

    assert found.state is EventState.DEAD
    assert found.reason == "a\ufffdb\ufffdc\ufffd" + "x" * 994


async def test_event_cannot_decide_what_people_decide(
    service: EventService, store: SqlStore, activities: FakeActivities
) -> None:
    callback = await opened(store, activities, policy=Policy(assignees=("user:ada",)))

    await service.store(delivery(event(body=b'{"approved": true}')))

    (found,) = await shown(store)
    assert (found.state, found.callback_id) == (EventState.DEAD, callback.id)
    assert (await reload(store, callback)).state is State.OPEN


async def test_events_go_on_after_the_store_was_away(
    service: EventService,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
    database: InMemoryDatabase,
) -> None:
    await service.store(delivery())
    callback = await opened(store, activities)
    database.is_available = False
    for _ in range(3):
        clock.advance(SECOND)
        await idle()

    database.is_available = True
    clock.advance(LEASE)

    await shown(store)
    assert (await reload(store, callback)).state is State.ACCEPTED


async def test_event_is_tried_again_while_temporal_is_away(
    service: EventService, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    """Whether a cancellation was requested is asked of Temporal."""
    await opened(store, activities)
    activities.is_reachable = False

    await service.store(delivery(event(action=Verb.CANCEL)))
    (before,) = await shown(store)
    activities.is_reachable = True
    clock.advance(FIRST_WAIT)

    (after,) = await shown(store)
    assert (before.state, after.state) == (EventState.WAITING, EventState.DEAD)
    assert (before.tries, after.tries) == (1, 2)
    assert after.reason is not None


class StoreWithoutAliases(SqlStore):
    """A store whose aliases cannot be read at first."""

    fails = True

    async def find_aliases(self, namespace: str, wanted: Sequence[str]) -> Mapping[str, AliasOwner]:
        if self.fails:
            self.fails = False
            msg = "the disk is full"
            raise StoreUnavailableError(msg)
        return await super().find_aliases(namespace, wanted)


async def test_event_is_tried_again_when_its_alias_could_not_be_read(
    database: InMemoryDatabase,
    activities: FakeActivities,
    answers: AnswerService,
    clock: ManualClock,
) -> None:
    store = StoreWithoutAliases(database)
    callback = await opened(store, activities)
    async with running(store, activities, answers, clock) as service:
        await service.store(delivery())
        await idle()
        clock.advance(FIRST_WAIT)

        (found,) = await shown(store)

    assert (found.state, found.tries) == (EventState.MATCHED, 2)
    assert (await reload(store, callback)).state is State.ACCEPTED


async def test_many_events_are_led_in_turn(
    service: EventService, store: SqlStore, activities: FakeActivities
) -> None:
    names = [f"order:{number}" for number in range(2 * SLOTS + 1)]
    for name in names:
        await opened(store, activities, aliases=(name,))

    await service.store(delivery(*map(event, names)))

    assert {one.state for one in await shown(store)} == {EventState.MATCHED}
