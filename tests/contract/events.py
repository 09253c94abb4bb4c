"""The contract of every store for events of sources."""

import asyncio
import random
from collections.abc import Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Final

import pytest

from ringback.domain.event import Event, EventEnd, EventState
from ringback.domain.link import Verb
from ringback.ports.events import EventStore, NewEvent, SourceDelivery
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests import factories
from tests.contract.aliases import open_with
from tests.contract.stores import LEASE, SECOND, Store

HOUR: Final = timedelta(hours=1)
RUN: Final = "github:run:42"
ODD_BODY: Final = b"\xff\x00 {not json"


def event(alias: str | None = RUN, **facts: object) -> NewEvent:
    if alias is None:
        return NewEvent(factories.event_id(), EventState.IGNORED, reason="no rule applies")
    waiting = {"action": Verb.COMPLETE, "alias": alias, "body": b'{"ok": true}', "wait": HOUR}
    return NewEvent(factories.event_id(), EventState.WAITING, **{**waiting, **facts})  # type: ignore[arg-type]  # - any facts


def delivery(*events: NewEvent, key: str = "d1", body: bytes = b"{}") -> SourceDelivery:
    digest = sha256(key.encode() + body).hexdigest()
    headers = {"x-github-event": "workflow_run"}
    return SourceDelivery("default", "github", digest, key, headers, body, events or (event(),))


async def claim(store: Store, limit: int = 10) -> Sequence[Event]:
    return await store.claim_events(limit=limit, lease=LEASE)


async def stored(store: Store, *events: NewEvent, key: str = "d1") -> None:
    assert await store.store_deliveries([delivery(*events, key=key)]) == [True]


async def end_all(store: EventStore) -> list[Event]:
    """End all events that are due, and return them in the order in which they were claimed."""
    ended: list[Event] = []
    while found := await store.claim_events(limit=10, lease=LEASE):
        await store.end_events([EventEnd(one, EventState.IGNORED) for one in found])
        ended += found
    return ended


class EventsContract:
    async def test_event_waits_until_its_alias_appears(
        self, store: Store, clock: ManualClock
    ) -> None:
        await stored(store)
        assert await claim(store) == []
        assert await store.next_event() == HOUR

        clock.advance(SECOND)
        await open_with(store, "other", RUN)

        (found,) = await claim(store)
        assert (found.alias, found.action, found.body) == (RUN, Verb.COMPLETE, b'{"ok": true}')
        assert (found.source, found.tries) == ("github", 1)
        assert found.waits_until - found.received_at == HOUR
        assert await claim(store) == []

    async def test_event_of_a_known_alias_is_due_at_once(self, store: Store) -> None:
        callback = await open_with(store, RUN)
        await stored(store)
        assert await store.next_event() == timedelta(0)
        (found,) = await claim(store)

        await store.end_events([EventEnd(found, EventState.MATCHED, None, callback.id)])

        assert await store.next_event() is None

    async def test_alias_that_is_added_later_makes_its_event_due(self, store: Store) -> None:
        callback = await open_with(store)
        await stored(store)

        await store.add_alias(callback.id, RUN)

        assert [one.alias for one in await claim(store)] == [RUN]

    async def test_event_keeps_the_callback_that_ended_before_another_got_its_alias(
        self, store: Store
    ) -> None:
        callback = await open_with(store, RUN)
        await stored(store)
        assert [one.callback_id for one in await claim(store)] == [None]
        await store.expire([factories.expiry(callback, "timed out")])

        for _ in range(2):
            later = await open_with(store, RUN)
            await store.expire([factories.expiry(later, "timed out")])

        assert [one.callback_id for one in await claim(store)] == [callback.id]

    async def test_alias_in_another_namespace_wakes_no_event(self, store: Store) -> None:
        await stored(store)
        ref = factories.activity_ref(namespace="other")

        await open_with(store, RUN, ref=ref)

        assert await claim(store) == []

    async def test_equal_delivery_is_stored_once(self, store: Store) -> None:
        await open_with(store, RUN)

        first = await store.store_deliveries([delivery(), delivery(), delivery(key="d2")])
        again = await store.store_deliveries([delivery(body=b"{ }"), delivery()])

        assert (first, again) == ([True, False, True], [True, False])
        assert len(await end_all(store)) == 3

    async def test_call_that_is_repeated_stores_nothing_more(self, store: Store) -> None:
        await open_with(store, RUN)
        received = [delivery(), delivery(event(), event(None), key="d2")]

        results = [await store.store_deliveries(received) for _ in range(2)]

        assert results == [[True, True]] * 2
        assert len(await end_all(store)) == 2

    async def test_body_may_be_any_bytes(self, store: Store) -> None:
        assert await store.store_deliveries([delivery(body=ODD_BODY)]) == [True]
        assert await store.store_deliveries([delivery(body=ODD_BODY)]) == [False]

    async def test_each_event_of_a_delivery_has_its_own_end(self, store: Store) -> None:
        await open_with(store, "a")
        await open_with(store, "b")
        await stored(store, event("a"), event(None), event("b"), event("c"))

        a, b = await claim(store)
        await store.end_events([EventEnd(a, EventState.DEAD, "too large")])

        assert (a.alias, b.alias) == ("a", "b")
        assert await store.next_event() == LEASE

    async def test_events_of_one_alias_are_claimed_in_the_order_of_their_arrival(
        self, store: Store, clock: ManualClock
    ) -> None:
        names = [str(number) for number in range(4)]
        for name in names:
            await stored(store, event(body=name.encode()), key=name)
            clock.advance(SECOND)
        await open_with(store, RUN)

        (first,) = await claim(store)
        await store.postpone_events([(first, SECOND)])
        assert await claim(store) == []
        clock.advance(SECOND)

        assert [one.body for one in await end_all(store)] == [name.encode() for name in names]

    async def test_event_that_waited_for_its_time_is_due(
        self, store: Store, clock: ManualClock
    ) -> None:
        await stored(store)

        clock.advance(HOUR)

        (found,) = await claim(store)
        assert found.waits_until == clock.now()

    async def test_claim_that_ended_changes_nothing(self, store: Store, clock: ManualClock) -> None:
        await open_with(store, RUN)
        await stored(store)
        (stale,) = await claim(store)
        clock.advance(LEASE)
        (found,) = await claim(store)

        await store.end_events([EventEnd(stale, EventState.DEAD, "stale")])
        await store.postpone_events([(stale, HOUR)])
        assert await store.next_event() == LEASE
        await store.postpone_events([(found, SECOND)])

        assert await store.next_event() == SECOND
        assert (found.tries, stale.tries) == (2, 1)

    @pytest.mark.parametrize("wait", [None, SECOND])
    async def test_alias_that_appears_during_a_claim_is_not_missed(
        self, store: Store, clock: ManualClock, wait: timedelta | None
    ) -> None:
        await stored(store)
        clock.advance(HOUR)
        (found,) = await claim(store)

        await open_with(store, RUN)
        await store.postpone_events([(found, wait)])

        assert await store.next_event() == timedelta(0)

    async def test_claims_share_what_is_due(self, store: Store) -> None:
        names = [f"order:{number}" for number in range(5)]
        for name in names:
            await open_with(store, name)
            await stored(store, event(name), key=name)

        claims = [await claim(store, limit=2) for _ in range(4)]

        assert [len(one) for one in claims] == [2, 2, 1, 0]
        assert sorted(one.alias for each in claims for one in each) == names


class ConcurrentEventsContract:
    """The fixture `stores` is four stores on one database."""

    async def test_no_event_misses_the_alias_that_appears_at_the_same_time(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for number in range(40):
            names = random.sample([f"{number}:{name}" for name in "abc"], 3)
            keys = [f"{number}:{key}" for key in "xyz"]

            opening = asyncio.ensure_future(open_with(stores[0], *names))
            stored = await asyncio.gather(
                *(
                    store.store_deliveries([delivery(*map(event, names), key=key) for key in some])
                    for store, some in zip(stores[1:], [keys[:2], keys[1:], keys], strict=True)
                )
            )
            await opening

            ended = await end_all(stores[0])
            assert sorted(one.alias for one in ended) == sorted(names * 3)
            assert sum(is_new for each in stored for is_new in each) == 3
