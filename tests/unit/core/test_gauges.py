"""Gauges: bounded readings of the store, and counts in the background."""

import asyncio
from datetime import datetime, timedelta
from typing import Final

import pytest

from ringback.core.gauges import EVERY, PAGE, PAUSE, VALID_FOR, GaugeReader
from ringback.core.services import run_services
from ringback.domain.callback import State
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.ports.gauges import MOST, Countable, GaugeStore, Snapshot, Troubles, Waiting
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle

MINUTE: Final = timedelta(minutes=1)


class LargeStore(GaugeStore):
    """A store with as many callbacks of each kind as it is told."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.of = dict.fromkeys(Countable, 0)
        self.oldest = clock.now() - 2 * MINUTE
        self.undelivered = Waiting(0, None)
        self.parked = 0
        self.reads = 0
        self.pages = 0
        self.is_available = True
        self.error: Exception = StoreUnavailableError("the test made it unavailable")
        self.hangs = False

    async def snapshot(self) -> Snapshot:
        self.reads += 1
        if self.hangs:
            await asyncio.Event().wait()
        if not self.is_available:
            raise self.error
        return Snapshot(self.clock.now(), self.undelivered, Waiting(0, None), self.parked, None)

    async def troubles(self, *, most: int) -> Troubles:
        raise NotImplementedError

    async def count_page(
        self, what: Countable, after: CallbackId, *, limit: int
    ) -> tuple[int, CallbackId | None]:
        self.pages += 1
        if not self.is_available:
            raise self.error
        done = int(after or 0)
        count = min(limit, self.of[what] - done)
        return count, CallbackId(str(done + count)) if count == limit else None

    async def oldest_undelivered(self) -> datetime | None:
        return self.oldest

    async def link_keys(self) -> frozenset[str]:
        return frozenset({"k1"})


@pytest.fixture
def large(clock: ManualClock) -> LargeStore:
    return LargeStore(clock)


async def test_states_are_counted_after_the_first_reading(
    store: SqlStore, clock: ManualClock
) -> None:
    _, second = await store.open([factories.request() for _ in range(2)])
    await store.accept([factories.answer(second.id)])
    reader = GaugeReader(store, clock=clock)

    async with run_services(reader):
        before = await reader.read()
        await idle()
        after = await reader.read()

    assert before is not None
    assert after is not None
    assert before.states == {}
    assert after.states == {
        State.OPEN: 1,
        State.ACCEPTED: 1,
        **dict.fromkeys([State.APPLIED, State.SUPERSEDED, State.PARKED, State.EXPIRED], 0),
    }


async def test_reader_waits_for_counts_if_it_wants_to(store: SqlStore, clock: ManualClock) -> None:
    await store.open([factories.request()])
    reader = GaugeReader(store, clock=clock)

    async with run_services(reader):
        found = await reader.read(counts_within=MINUTE)
        again = await reader.read(counts_within=MINUTE)

    assert found is not None
    assert found.states[State.OPEN] == 1
    assert again == found


async def test_many_are_counted_page_by_page(large: LargeStore, clock: ManualClock) -> None:
    large.of[Countable.NOT_CLOSED] = 2 * PAGE + 1
    reader = GaugeReader(large, clock=clock)

    async with run_services(reader):
        await reader.read()
        await idle()
        assert large.pages == 1
        for _ in range(2):
            clock.advance(PAUSE)
            await idle()
        found = await reader.read()

    assert found is not None
    assert found.states[State.OPEN] == 2 * PAGE + 1


async def test_store_is_counted_only_while_somebody_reads(
    large: LargeStore, clock: ManualClock
) -> None:
    reader = GaugeReader(large, clock=clock)

    async with run_services(reader):
        await idle()
        assert large.pages == 0
        await reader.read()
        await idle()
        await reader.read()
        clock.advance(EVERY)
        await idle()
        counted_twice = large.pages == 2 * len(Countable)
        clock.advance(EVERY)
        await idle()
        after_a_break = await reader.read()

    assert counted_twice
    assert large.pages == 2 * len(Countable)
    assert after_a_break is not None
    assert after_a_break.states == {}


async def test_readings_within_a_second_share_one(large: LargeStore, clock: ManualClock) -> None:
    reader = GaugeReader(large, clock=clock)

    await asyncio.gather(*(reader.read() for _ in range(5)))
    clock.advance(VALID_FOR)
    await reader.read()

    assert large.reads == 2


async def test_more_than_a_scrape_reads_are_taken_from_the_last_count(
    large: LargeStore, clock: ManualClock
) -> None:
    large.of |= {Countable.ACCEPTED: 6_000, Countable.PARKED: 3_000, Countable.NOT_CLOSED: 9_000}
    large.undelivered = Waiting(MOST, clock.now() - MINUTE)
    large.parked = MOST
    reader = GaugeReader(large, clock=clock)

    async with run_services(reader):
        first = await reader.read()
        await idle()
        found = await reader.read()

    assert first is not None
    assert found is not None
    assert (found.states[State.ACCEPTED], found.states[State.PARKED]) == (6_000, 3_000)
    assert found.states[State.OPEN] == 0
    assert (first.undelivered_since, found.undelivered_since) == (
        clock.now() - MINUTE,
        large.oldest,
    )


@pytest.mark.parametrize("is_slow", [False, True])
async def test_store_that_is_away_gives_no_reading(
    large: LargeStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, *, is_slow: bool
) -> None:
    monkeypatch.setattr("ringback.core.gauges.LIMIT", timedelta(milliseconds=1))
    large.hangs, large.is_available = is_slow, False
    reader = GaugeReader(large, clock=clock)

    async with run_services(reader):
        away = await reader.read()
        await idle()
        large.hangs, large.is_available = False, True
        clock.advance(EVERY)
        await idle()
        there = await reader.read()

    assert away is None
    assert there is not None
    assert there.states == {}


async def test_error_that_nobody_expects_gives_no_reading_and_ends_nothing(
    large: LargeStore, clock: ManualClock
) -> None:
    large.error, large.is_available = RuntimeError("a bug"), False
    reader = GaugeReader(large, clock=clock)

    async with run_services(reader):
        await idle()
        broken = await reader.read()
        large.is_available = True
        clock.advance(EVERY)
        await idle()
        there = await reader.read()

    assert broken is None
    assert there is not None


async def test_outage_of_the_store_is_logged_once(
    store: SqlStore,
    database: InMemoryDatabase,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    reader = GaugeReader(store, clock=clock)
    database.is_available = False

    for _ in range(2):
        assert await reader.read() is None
        clock.advance(VALID_FOR)

    assert [record.message.partition(":")[0] for record in caplog.records] == [
        "cannot read the gauges"
    ]


async def test_keys_of_open_links_are_read_with_the_counts(
    large: LargeStore, clock: ManualClock
) -> None:
    reader = GaugeReader(large, clock=clock)

    async with run_services(reader):
        before = await reader.read()
        await idle()
        after = await reader.read()

    assert before is not None
    assert after is not None
    assert not before.link_keys
    assert after.link_keys == {"k1"}
