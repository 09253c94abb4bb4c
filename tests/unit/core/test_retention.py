"""Retention deletes what ended long ago, in batches of a size that fits the load."""

import logging
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta

import pytest

from ringback.core.hooks import Hooks
from ringback.core.retention import (
    EVERY,
    LARGEST_BATCH,
    LONGEST_BATCH,
    PAUSE,
    SMALLEST_BATCH,
    Retention,
)
from ringback.core.services import run_services
from ringback.domain.callback import State
from ringback.domain.errors import MalformedRequestError, StoreUnavailableError
from ringback.domain.event import EventState
from ringback.domain.ids import CallbackId
from ringback.ports.events import NewEvent, SourceDelivery
from ringback.ports.retention import Record, RecordKind, Window
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.contract.stores import opened, settled
from tests.loops import idle

DAY = timedelta(days=1)
MILLISECOND = timedelta(milliseconds=1)


class PurgedRows(Hooks):
    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def rows_purged(self, kind: str, count: int) -> None:
        self.counts[kind] += count


class SlowRecords:
    """Records whose batches take `takes`, and fail for the ids in `broken`."""

    def __init__(self, clock: ManualClock, count: int) -> None:
        self._clock = clock
        self.left = [f"{number:06}" for number in range(count)]
        self.takes = MILLISECOND
        self.broken: set[str] = set()
        self.sizes: list[int] = []

    async def find_ended(
        self,
        older_than: timedelta,  # noqa: ARG002 - the port's
        *,
        after: str | None,
        limit: int,
    ) -> Window:
        found = [one for one in self.left if after is None or one > after][:limit]
        self.sizes.append(limit)
        return Window(found, found[-1] if len(found) == limit else None)

    async def export(self, ids: Collection[str]) -> Sequence[Record]:
        return [Record(one, 1, {}) for one in ids]

    async def purge(
        self,
        ids: Collection[str],
        older_than: timedelta,  # noqa: ARG002 - the port's
        *,
        versions: Mapping[str, int] | None = None,  # noqa: ARG002 - the port's
        dry_run: bool = False,  # noqa: ARG002 - the port's
    ) -> Mapping[str, int]:
        if self.broken.intersection(ids):
            msg = "this row is broken"
            raise ValueError(msg)
        self._clock.advance(self.takes)
        self.left = [one for one in self.left if one not in ids]
        return {"callbacks": len(ids), "votes": 0}


class NoLeftovers:
    async def purge_sessions(self) -> Mapping[str, int]:
        return {}

    async def purge_schemas(self, *, limit: int) -> tuple[int, int]:  # noqa: ARG002 - the port's
        return 0, 0


@pytest.fixture
def hooks() -> PurgedRows:
    return PurgedRows()


@pytest.fixture
def retention(store: SqlStore, clock: ManualClock, hooks: PurgedRows) -> Retention:
    return Retention(store.ended, store, keep_ended_for=DAY, clock=clock, hooks=hooks)


async def ended(store: SqlStore) -> CallbackId:
    callback = await opened(store)
    await store.expire([factories.expiry(callback)])
    return callback.id


async def walk_through(retention: Retention, clock: ManualClock, rounds: int) -> None:
    """Run the loop, and let each of its first pauses pass."""
    async with run_services(retention):
        for _ in range(rounds):
            await idle()
            clock.advance(PAUSE * LONGEST_BATCH * 10)
        await idle()


async def test_ended_callbacks_are_deleted_once_they_are_old_enough(
    retention: Retention, store: SqlStore, clock: ManualClock, hooks: PurgedRows
) -> None:
    callback_id = await ended(store)

    async with run_services(retention):
        await idle()
        early = dict(hooks.counts)
        clock.advance(DAY)
        await idle()
        clock.advance(EVERY)
        await idle()

    assert early == {}
    assert hooks.counts["callbacks"] == 1
    assert await store.find([callback_id]) == {}


async def test_events_are_deleted_after_their_callbacks(
    retention: Retention, store: SqlStore, clock: ManualClock, hooks: PurgedRows
) -> None:
    ignored = NewEvent(factories.event_id(), EventState.IGNORED)
    await store.store_deliveries([SourceDelivery("default", "s", "d", None, {}, b"", [ignored])])
    clock.advance(DAY)

    await walk_through(retention, clock, 3)

    assert hooks.counts == {"events": 1, "source_deliveries": 1}


async def test_schemas_are_deleted_after_their_callbacks(
    retention: Retention, store: SqlStore, clock: ManualClock, hooks: PurgedRows
) -> None:
    texts = [f'{{"default": {number}}}' for number in range(SMALLEST_BATCH + 1)]
    callbacks = await store.open([factories.request(result_schema=text) for text in texts])
    await store.expire([factories.expiry(one) for one in callbacks])
    clock.advance(DAY)
    await walk_through(retention, clock, 2)
    before = hooks.counts["schemas"]
    clock.advance(DAY + MILLISECOND)

    await walk_through(retention, clock, 3)

    assert hooks.counts["callbacks"] == len(texts)
    assert (before, hooks.counts["schemas"]) == (0, len(texts))


async def test_nothing_but_sessions_is_deleted_if_all_is_kept_forever(
    store: SqlStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    callback_id = await ended(store)
    clock.advance(10_000 * DAY)
    retention = Retention(store.ended, store, keep_ended_for=None, clock=clock)

    await walk_through(retention, clock, 3)

    assert callback_id in await store.find([callback_id])
    assert "what has ended is kept forever (RINGBACK_KEEP_ENDED_FOR)" in caplog.messages


async def test_start_logs_how_long_is_kept(
    retention: Retention, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    await walk_through(retention, clock, 1)

    (first, *_) = caplog.records
    assert first.getMessage() == "what has ended is deleted after RINGBACK_KEEP_ENDED_FOR"
    assert vars(first)["keep_ended_for"] == "1 day, 0:00:00"


async def test_quick_batches_grow_and_slow_ones_shrink(clock: ManualClock) -> None:
    records = SlowRecords(clock, 10_000)
    retention = Retention(
        {RecordKind.CALLBACKS: records}, NoLeftovers(), keep_ended_for=DAY, clock=clock
    )

    async with run_services(retention):
        for takes in [MILLISECOND] * 8 + [LONGEST_BATCH] * 2 + [2 * LONGEST_BATCH] * 8:
            records.takes = takes
            await idle()
            clock.advance(PAUSE * takes + 5 * MILLISECOND)

    assert records.sizes[:4] == [SMALLEST_BATCH, 200, 400, LARGEST_BATCH]
    assert records.sizes[8:11] == [LARGEST_BATCH] * 3
    assert records.sizes[-1] == SMALLEST_BATCH


async def test_pause_is_ten_times_as_long_as_the_batch(clock: ManualClock) -> None:
    records = SlowRecords(clock, 1000)
    records.takes = LONGEST_BATCH
    retention = Retention(
        {RecordKind.CALLBACKS: records}, NoLeftovers(), keep_ended_for=DAY, clock=clock
    )

    async with run_services(retention):
        await idle()
        clock.advance(PAUSE * LONGEST_BATCH - MILLISECOND)
        await idle()
        before = len(records.sizes)
        clock.advance(MILLISECOND)
        await idle()

    assert before == 1
    assert len(records.sizes) == 2


async def test_broken_record_stays_and_all_others_are_deleted(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    records = SlowRecords(clock, 250)
    records.broken = {"000003"}
    retention = Retention(
        {RecordKind.CALLBACKS: records}, NoLeftovers(), keep_ended_for=DAY, clock=clock
    )

    await walk_through(retention, clock, 10)

    assert records.left == ["000003"]
    said = [one for one in caplog.messages if "this row is broken" in one]
    assert said == ["cannot delete what ended long ago: this row is broken"]


class SomeBodies:
    """Bodies of ten records; those in `broken` cannot be dropped."""

    def __init__(self, clock: ManualClock, count: int) -> None:
        self._clock = clock
        self.left = [f"{number:06}" for number in range(count)]
        self.broken: set[str] = set()

    async def find_bodies(
        self,
        older_than: timedelta,  # noqa: ARG002 - the port's
        *,
        after: str | None,
        limit: int,
    ) -> Window:
        found = [one for one in self.left if after is None or one > after][:limit]
        return Window(found, found[-1] if len(found) == limit else None)

    async def drop_bodies(self, ids: Collection[str], older_than: timedelta) -> int:  # noqa: ARG002 - the port's
        if self.broken.intersection(ids):
            msg = "this row is broken"
            raise ValueError(msg)
        self._clock.advance(MILLISECOND)
        self.left = [one for one in self.left if one not in ids]
        return len(ids)


async def test_bodies_are_dropped_before_their_callbacks_are_deleted(
    store: SqlStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    bodies = SomeBodies(clock, 3 * SMALLEST_BATCH // 2)
    bodies.broken = {"000003"}
    retention = Retention(
        store.ended,
        store,
        keep_ended_for=None,
        bodies={RecordKind.CALLBACKS: bodies},
        drop_bodies_after=DAY,
        clock=clock,
    )

    await walk_through(retention, clock, 5)

    assert bodies.left == ["000003"]
    assert caplog.messages.count("deleted what ended long ago") == 1


async def test_bodies_stay_by_default(store: SqlStore, clock: ManualClock) -> None:
    bodies = SomeBodies(clock, 3)
    retention = Retention(
        store.ended,
        store,
        keep_ended_for=DAY,
        bodies={RecordKind.CALLBACKS: bodies},
        clock=clock,
    )

    await walk_through(retention, clock, 3)

    assert len(bodies.left) == 3


async def test_outage_ends_the_walk_and_the_next_one_goes_on(
    retention: Retention,
    store: SqlStore,
    database: InMemoryDatabase,
    clock: ManualClock,
    hooks: PurgedRows,
) -> None:
    await ended(store)
    clock.advance(DAY)
    database.is_available = False

    async with run_services(retention):
        await idle()
        database.is_available = True
        clock.advance(EVERY)
        await idle()

    assert hooks.counts["callbacks"] == 1


async def test_operator_says_how_old_what_is_deleted_must_be(
    retention: Retention, store: SqlStore, clock: ManualClock
) -> None:
    await ended(store)
    clock.advance(timedelta(hours=1))

    by_settings = await retention.purge(RecordKind.CALLBACKS)
    by_operator = await retention.purge(RecordKind.CALLBACKS, older_than=timedelta(hours=1))

    assert not by_settings.counts
    assert by_operator.counts["callbacks"] == 1


async def test_dry_run_reports_no_deleted_rows(
    retention: Retention, store: SqlStore, clock: ManualClock, hooks: PurgedRows
) -> None:
    callback_id = await ended(store)
    clock.advance(DAY)

    counted = await retention.purge(RecordKind.CALLBACKS, dry_run=True)

    assert counted.counts["callbacks"] == 1
    assert hooks.counts == {}
    assert callback_id in await store.find([callback_id])


async def test_exported_records_are_deleted(
    retention: Retention, store: SqlStore, clock: ManualClock, hooks: PurgedRows
) -> None:
    callback_id = await ended(store)
    clock.advance(DAY)

    records, after = await retention.export(RecordKind.CALLBACKS, limit=10)
    versions = {one.id: one.version for one in records}
    counts = await retention.purge_exported(RecordKind.CALLBACKS, versions)

    assert list(versions) == [callback_id]
    assert after is not None
    assert counts["callbacks"] == hooks.counts["callbacks"] == 1


async def test_purge_without_an_age_is_refused_if_all_is_kept_forever(
    store: SqlStore, clock: ManualClock
) -> None:
    retention = Retention(store.ended, store, keep_ended_for=None, clock=clock)

    with pytest.raises(MalformedRequestError, match="/older_than: this gateway keeps"):
        await retention.purge(RecordKind.CALLBACKS)


async def test_place_that_no_batch_returned_is_refused(retention: Retention) -> None:
    with pytest.raises(MalformedRequestError, match="/after"):
        await retention.purge(RecordKind.CALLBACKS, after="x")


async def test_purge_during_an_outage_raises(
    retention: Retention, database: InMemoryDatabase
) -> None:
    database.is_available = False

    with pytest.raises(StoreUnavailableError):
        await retention.purge(RecordKind.CALLBACKS)


async def test_callback_that_is_open_survives_every_walk(
    retention: Retention, store: SqlStore, clock: ManualClock
) -> None:
    callback = await opened(store)
    clock.advance(100 * DAY)

    await walk_through(retention, clock, 3)

    assert (await store.find([callback.id]))[callback.id].state is State.OPEN


async def test_attempt_after_the_answer_lost_its_body_asks_again(
    store: SqlStore, clock: ManualClock
) -> None:
    callback = await settled(store, State.APPLIED)
    clock.advance(DAY)
    retention = Retention(
        store.ended,
        store,
        keep_ended_for=None,
        bodies=store.bodies,
        drop_bodies_after=DAY,
        clock=clock,
    )

    await retention.walk()
    (again,) = await store.open([factories.request(ref=callback.ref, attempt=2)])

    assert again.id != callback.id
