"""A row that cannot be written is reported once, and stops no other row in any loop."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta

import pytest
from sqlalchemy import text

from ringback.core.activity_poller import LEASE
from ringback.core.deadlines import LONGEST_REST, DeadlineKeeper
from ringback.core.delivery import Deliverer
from ringback.core.heartbeats import HeartbeatReply
from ringback.core.services import FailureLog, run_services, write_each
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    RefusedByTemporalError,
    StoreUnavailableError,
    UnreadableCallbackError,
)
from ringback.domain.outcome import Completed
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle
from tests.pollers import activity_checker, activity_poller, heartbeat_service
from tests.unit.core.callbacks import open_and_answer, open_callback, reload, state_of

MINUTE = timedelta(minutes=1)


async def execute(database: InMemoryDatabase, statement: str, **values: str) -> None:
    async with database.writing() as connection:
        await connection.execute(text(statement), values)


async def refuse(database: InMemoryDatabase, what: str, callback: Callback) -> None:
    """Make the database reject `what` for this callback; `what` ends in the name of the table."""
    column = "callback_id" if what.endswith("outcomes") else "id"
    await execute(
        database,
        f"CREATE TRIGGER refusal BEFORE {what} WHEN NEW.{column} = '{callback.id}'"
        " BEGIN SELECT RAISE(ABORT, 'the row is refused'); END",
    )


async def opened(store: SqlStore, activities: FakeActivities) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    return await open_callback(store, activities, ref, deadline=MINUTE, on_deadline=Completed(b"0"))


def refusals(caplog: pytest.LogCaptureFixture) -> list[tuple[str, object]]:
    return [
        (record.getMessage(), vars(record)["callback_id"])
        for record in caplog.records
        if record.levelno == logging.ERROR
    ]


async def test_rejected_default_answer_is_reported_once_and_the_others_are_accepted(
    store: SqlStore,
    database: InMemoryDatabase,
    activities: FakeActivities,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad, good = [await opened(store, activities) for _ in range(2)]
    await refuse(database, "INSERT ON outcomes", bad)
    keeper = DeadlineKeeper(
        store,
        activity_checker(store, activities, clock),
        clock=clock,
        new_outcome_id=factories.outcome_id,
        on_accepted=lambda: None,
    )
    clock.advance(MINUTE)

    async with run_services(keeper):
        for _ in range(3):
            await idle()
            clock.advance(LONGEST_REST)
        await idle()

    assert [await state_of(store, one) for one in (bad, good)] == [State.OPEN, State.ACCEPTED]
    ((message, callback_id),) = refusals(caplog)
    assert "the row is refused" in message
    assert callback_id == bad.id


async def test_rejected_default_answer_is_not_due_again_at_once(
    store: SqlStore, database: InMemoryDatabase, activities: FakeActivities, clock: ManualClock
) -> None:
    bad = await opened(store, activities)
    await refuse(database, "INSERT ON outcomes", bad)
    keeper = DeadlineKeeper(
        store,
        activity_checker(store, activities, clock),
        clock=clock,
        new_outcome_id=factories.outcome_id,
        on_accepted=lambda: None,
    )
    clock.advance(MINUTE)

    assert await keeper.accept_due() is True
    assert await store.due_defaults(limit=9) == []
    assert await store.next_default() == LONGEST_REST


@pytest.mark.parametrize(
    "what", ["UPDATE OF attempt_timeout_at ON callbacks", "UPDATE OF expired_because ON callbacks"]
)
async def test_rejected_poll_result_is_reported_and_the_others_are_stored(
    store: SqlStore,
    database: InMemoryDatabase,
    activities: FakeActivities,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    what: str,
) -> None:
    bad, good, ended_bad, ended = [await opened(store, activities) for _ in range(4)]
    attempt_timeout_at = clock.now() + MINUTE
    for one in (bad, good):
        activities.set_timeout(one.ref, attempt_timeout_at)
    for one in (ended_bad, ended):
        activities.end(one.ref, how="timed out")
    await refuse(database, what, bad if "attempt_timeout_at" in what else ended_bad)
    clock.advance(LEASE)

    for _ in range(2):
        await activity_poller(store, activities, clock).poll()

    assert (await reload(store, good)).attempt_timeout_at == attempt_timeout_at
    assert await state_of(store, ended) is State.EXPIRED
    assert {id_ for _, id_ in refusals(caplog)} == {
        (bad if "attempt_timeout_at" in what else ended_bad).id
    }


class ActivitiesWithOneThatCannotBeJudged(FakeActivities):
    """Temporal knows none of the activities, and resolving one of them raises."""

    def __init__(self) -> None:
        super().__init__()
        self.refused: Callback | None = None

    async def check_server(self, callback: Callback) -> None:
        if self.refused is not None and callback.id == self.refused.id:
            msg = "this activity cannot be judged"
            raise RefusedByTemporalError(msg)


async def test_activity_that_cannot_be_resolved_does_not_stop_others_of_its_run(
    store: SqlStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    activities = ActivitiesWithOneThatCannotBeJudged()
    refs = [factories.activity_ref(workflow_id="w", activity_id=str(n)) for n in range(3)]
    requests = [factories.request(ref=ref, attempt_timeout_at=clock.now() + MINUTE) for ref in refs]
    first, bad, last = await store.open(requests)
    activities.refused = bad
    clock.advance(2 * MINUTE)

    await activity_poller(store, activities, clock).poll()

    states = [await state_of(store, one) for one in (first, bad, last)]
    assert states == [State.EXPIRED, State.OPEN, State.EXPIRED]
    assert [id_ for _, id_ in refusals(caplog)] == [bad.id]


async def test_unreadable_outcome_stops_no_delivery(
    store: SqlStore, database: InMemoryDatabase, activities: FakeActivities, clock: ManualClock
) -> None:
    bad, good = [await open_and_answer(store, activities) for _ in range(2)]
    await execute(database, "UPDATE outcomes SET kind = 'x' WHERE callback_id = :id", id=bad.id)
    deliverer = Deliverer(
        store, activities, VerdictWaiter(store, clock), clock=clock, jitter=lambda: 1.0, owner="me"
    )

    async with run_services(deliverer):
        await idle()
        clock.advance(LONGEST_REST)
        await idle()

    assert await state_of(store, good) is State.APPLIED
    assert [ref for ref, _, _ in activities.deliveries] == [good.ref]


async def test_unreadable_callback_does_not_block_the_heartbeats_of_others(
    store: SqlStore, database: InMemoryDatabase, activities: FakeActivities
) -> None:
    bad, good = [await opened(store, activities) for _ in range(2)]
    await execute(database, "UPDATE callbacks SET attempts = 'x' WHERE id = :id", id=bad.id)
    service = heartbeat_service(store, activities)

    async with run_services(service):
        refused, taken = await asyncio.gather(
            *(service.heartbeat(one.id, b"1") for one in (bad, good)), return_exceptions=True
        )

    assert isinstance(refused, UnreadableCallbackError)
    assert isinstance(taken, HeartbeatReply)


async def test_write_each_raises_a_retryable_error_without_writing_items_alone() -> None:
    tried: list[Sequence[int]] = []

    async def write(items: Sequence[int]) -> None:
        tried.append(items)
        msg = "the disk is full"
        raise StoreUnavailableError(msg)

    with pytest.raises(StoreUnavailableError):
        await write_each(write, [1, 2])

    assert tried == [[1, 2]]


def test_failure_log_forgets_the_oldest_when_it_is_full(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = FailureLog(logging.getLogger("ringback.test"), "read a row", size=2)

    for callback_id in ("cb_1", "cb_2", "cb_3", "cb_3", "cb_1"):
        log.report(callback_id, KeyError())

    ids = [callback_id for _, callback_id in refusals(caplog)]
    assert ids == ["cb_1", "cb_2", "cb_3", "cb_1"]
    assert refusals(caplog)[0][0] == "cannot read a row: KeyError"
