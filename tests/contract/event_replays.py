"""The contract of every store for operators who look at events and replay them."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from ringback.domain.event import EventEnd, EventRecord, EventState
from ringback.domain.ids import CallbackId, EventId
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests import factories
from tests.contract.aliases import open_with
from tests.contract.events import HOUR, ODD_BODY, RUN, claim, delivery, event, stored
from tests.contract.stores import SECOND, Store


async def record_of(store: Store, event_id: EventId) -> EventRecord:
    found = await store.find_event("default", event_id)
    assert found is not None
    return found


async def dead(store: Store, alias: str = RUN) -> EventRecord:
    """Return an event that its callback refused."""
    waiting = event(alias)
    await stored(store, waiting, key=waiting.id)
    callback = await open_with(store, alias)
    (found,) = await claim(store)
    await store.end_events([EventEnd(found, EventState.DEAD, "wrong type", callback.id)])
    await store.expire([factories.expiry(callback, "timed out")])
    return await record_of(store, waiting.id)


class EventReplaysContract:
    async def test_record_has_the_request_byte_for_byte(
        self, store: Store, clock: ManualClock
    ) -> None:
        first, second = event(None), event("b")
        await store.store_deliveries([delivery(first, second, body=ODD_BODY)])

        ended, waits = [await record_of(store, one.id) for one in (first, second)]

        assert (waits.body, waits.answer) == (ODD_BODY, b'{"ok": true}')
        assert waits.headers == {"x-github-event": "workflow_run"}
        assert [(one.position, one.siblings) for one in (ended, waits)] == [(0, 2), (1, 2)]
        assert (ended.ended_at, waits.ended_at, ended.answer) == (clock.now(), None, None)
        (_, listed) = await store.list_events("default", limit=2)
        assert ended.event == listed

    async def test_unknown_event_and_one_of_another_namespace_are_not_found(
        self, store: Store
    ) -> None:
        waiting = event()
        await stored(store, waiting)

        assert await store.find_event("other", waiting.id) is None
        assert await store.find_event("default", EventId("ev_x")) is None

    async def test_replayed_event_goes_to_the_callback_that_has_its_alias_now(
        self, store: Store, clock: ManualClock
    ) -> None:
        record = await dead(store)
        clock.advance(HOUR)
        later = await open_with(store, RUN)
        corrected = event(body=b"1", reason="replayed")

        assert await store.replay_event(record, [corrected])

        (found,) = await claim(store)
        assert (found.id, found.body, found.tries) == (record.event.id, b"1", 1)
        assert (found.callback_id, found.received_at) == (None, record.event.received_at)
        assert found.waits_until == clock.now() + HOUR
        waits = await record_of(store, found.id)
        assert (waits.event.state, waits.event.reason) == (EventState.WAITING, "replayed")
        await store.end_events([EventEnd(found, EventState.MATCHED, None, later.id)])
        ended = await record_of(store, found.id)
        assert (ended.event.callback_id, ended.ended_at) == (later.id, clock.now())
        assert (ended.event.state, ended.event.reason) == (EventState.MATCHED, "replayed")

    async def test_replayed_event_waits_for_another_alias(
        self, store: Store, clock: ManualClock
    ) -> None:
        record = await dead(store)

        assert await store.replay_event(record, [event("other")])

        assert await claim(store) == []
        clock.advance(SECOND)
        await open_with(store, "other")
        assert [one.alias for one in await claim(store)] == ["other"]

    @pytest.mark.parametrize("state", [EventState.IGNORED, EventState.DEAD])
    async def test_replayed_event_may_end_at_once(
        self, store: Store, clock: ManualClock, state: EventState
    ) -> None:
        record = await dead(store)
        clock.advance(SECOND)

        ended = replace(event(None), state=state, reason="still no rule applies")
        assert await store.replay_event(record, [ended])

        after = await record_of(store, record.event.id)
        assert (after.event.state, after.event.reason) == (state, "still no rule applies")
        assert (after.event.alias, after.event.action, after.answer) == (None, None, None)
        assert (after.ended_at, after.event.callback_id) == (clock.now(), None)
        assert await store.next_event() is None

    async def test_events_that_were_not_found_before_are_added(self, store: Store) -> None:
        await stored(store, lost := event(None))
        names = ["a", "b", "c"]
        for name in names:
            await open_with(store, name)

        replayed = await store.replay_event(
            await record_of(store, lost.id), [event(name) for name in names]
        )

        assert replayed
        found = await claim(store)
        assert [one.alias for one in found] == names
        assert found[0].id == lost.id
        records = [await record_of(store, one.id) for one in found]
        assert [(one.position, one.siblings) for one in records] == [(0, 3), (1, 3), (2, 3)]

    async def test_event_that_changed_meanwhile_is_not_replayed(
        self, store: Store, clock: ManualClock
    ) -> None:
        record = await dead(store)
        assert await store.replay_event(record, [event()])
        assert not await store.replay_event(record, [event(), event("other")])
        clock.advance(HOUR)
        (found,) = await claim(store)
        end = EventEnd(found, EventState.DEAD, "wrong type", CallbackId("cb_1"))
        await store.end_events([end])

        assert not await store.replay_event(record, [event()])

        assert (await record_of(store, found.id)).event.state is EventState.DEAD
        assert len(await store.list_events("default", limit=9)) == 1

    async def test_event_that_waits_is_not_replayed(self, store: Store) -> None:
        await stored(store, waiting := event())

        record = await record_of(store, waiting.id)

        assert not await store.replay_event(record, [event()])

    async def test_activity_of_sources_has_their_newest_events(
        self, store: Store, clock: ManualClock
    ) -> None:
        await stored(store, event("a"), event("b"), event(None))
        clock.advance(SECOND)
        other = replace(delivery(event("c"), key="other"), source="stripe")
        foreign = replace(delivery(event("d"), key="foreign"), namespace="other")
        await store.store_deliveries([other, foreign])

        github, nothing, stripe = await store.source_activity(
            "default", ["github", "nothing", "stripe"], newest=9
        )

        assert github.recent == {EventState.WAITING: 2, EventState.IGNORED: 1}
        assert (github.last_event_at, stripe.last_event_at) == (clock.now() - SECOND, clock.now())
        assert (nothing.last_event_at, nothing.recent) == (None, {})
        assert stripe.recent == {EventState.WAITING: 1}

    async def test_activity_counts_no_more_than_the_newest_events(self, store: Store) -> None:
        await stored(store, event(None), event("a"), event("b"))

        (found,) = await store.source_activity("default", ["github"], newest=2)

        assert found.recent == {EventState.WAITING: 2}


class ConcurrentEventReplaysContract:
    """The fixture `stores` is four stores on one database."""

    async def test_event_is_replayed_once_by_operators_at_the_same_time(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for number in range(10):
            record = await dead(stores[0], str(number))
            other = f"other:{number}"

            replayed = await asyncio.gather(
                *(store.replay_event(record, [event(other), event("b")]) for store in stores)
            )

            assert sum(replayed) == 1
            (found,) = await stores[0].list_events("default", alias=other, limit=2)
            assert found.id == record.event.id
        assert len(await stores[0].list_events("default", alias="b", limit=99)) == 10
