"""The gateway requests polls of senders by ending attempts, and accepts what they find."""

import logging
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from temporalio.common import RetryPolicy

from ringback.core.sender_polls import EVERY, LEASE, PollReports, PollRequester, find_obstacle
from ringback.core.services import run_services
from ringback.domain.activity_state import Pending
from ringback.domain.callback import ActivityExecution, Callback, State
from ringback.domain.deadlines import POLL_GRACE
from ringback.domain.errors import (
    AnswerTooLargeError,
    RefusedByTemporalError,
    TemporalUnreachableError,
)
from ringback.domain.ids import CallbackId, to_poll_identity
from ringback.domain.outcome import POLL_TYPE, Completed, Failed
from ringback.domain.polling import POSTPONED_BY, PollStep
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle
from tests.unit.core.callbacks import open_callback, reload, state_of

MINUTE = timedelta(minutes=1)
DONE = Completed(b'"done"')


@pytest.fixture
def requester(store: SqlStore, activities: FakeActivities, clock: ManualClock) -> PollRequester:
    return PollRequester(store, activities, clock=clock)


@pytest.fixture
async def reports(store: SqlStore, activities: FakeActivities) -> AsyncIterator[PollReports]:
    answer_service = factories.answer_service(store, activities)
    async with run_services(answer_service):
        yield PollReports(store, answer_service)


async def waiting(
    store: SqlStore,
    activities: FakeActivities,
    *,
    retry_policy: RetryPolicy | None = None,
    is_submitted: bool = True,
    **options: Any,
) -> Callback:
    """Return the callback of an attempt that waits, and whose sender is polled."""
    ref = factories.activity_ref()
    activities.schedule(ref, retry_policy=retry_policy)
    options = {"poll": True, "poll_every": MINUTE, **options}
    callback = await open_callback(store, activities, ref, **options)
    if is_submitted:
        await store.mark_submitted([callback.id])
    return await reload(store, callback)


async def entries(store: SqlStore, callback: Callback) -> list[tuple[str, dict[str, object]]]:
    trail = await store.audit_trail(callback.id)
    return [(one.kind.value, one.facts) for one in trail if "poll" in one.kind.value]


def requests(activities: FakeActivities) -> list[tuple[str | None, str]]:
    """Return type and identity of what was sent to Temporal."""
    return [(getattr(sent, "type", None), by) for _, sent, by in activities.deliveries]


async def test_due_poll_ends_the_attempt_and_is_due_again_after_the_interval(
    requester: PollRequester, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await waiting(store, activities)

    async with run_services(requester):
        await idle()
        before = requests(activities)
        clock.advance(MINUTE)
        await idle()
        clock.advance(EVERY)
        await idle()

    after = await reload(store, callback)
    assert before == []
    assert requests(activities) == [(POLL_TYPE, to_poll_identity(callback.id))]
    assert after.sender_poll.requested_at == callback.opened_at + MINUTE
    assert after.sender_poll.due_at == callback.opened_at + 2 * MINUTE
    assert await entries(store, callback) == [("poll requested", {"attempt": 1})]


async def test_attempt_that_still_submits_is_not_ended(
    requester: PollRequester, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    await waiting(store, activities, is_submitted=False)
    clock.advance(MINUTE)

    await requester.request_due()

    assert requests(activities) == []


async def test_answered_callback_is_not_polled(
    requester: PollRequester, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await waiting(store, activities)
    await store.accept([factories.answer(callback.id, DONE)])
    clock.advance(MINUTE)

    await requester.request_due()

    assert requests(activities) == []
    assert (await reload(store, callback)).sender_poll.due_at is None


async def test_claimed_poll_is_requested_by_nobody_else(
    requester: PollRequester, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    await waiting(store, activities)
    clock.advance(MINUTE)
    (claimed,) = await store.claim_sender_polls(limit=10, lease=LEASE)

    await requester.request_due()
    meanwhile = requests(activities)
    clock.advance(LEASE)
    await requester.request_due()

    assert meanwhile == []
    assert requests(activities) == [(POLL_TYPE, to_poll_identity(claimed.id))]


async def backed_off(activities: FakeActivities, ref: ActivityExecution) -> None:
    (found,) = await activities.poll([ref])
    assert found is not None
    activities.return_from(activities.task_token(ref), Failed("broken"), identity="a worker")


async def started_anew(activities: FakeActivities, ref: ActivityExecution) -> None:
    await backed_off(activities, ref)
    activities.start(ref)


async def paused(activities: FakeActivities, ref: ActivityExecution) -> None:
    activities.pause(ref)


async def ended(activities: FakeActivities, ref: ActivityExecution) -> None:
    activities.end(ref, how="completed")


@pytest.mark.parametrize("happens", [backed_off, started_anew, paused, ended])
async def test_activity_without_an_attempt_that_waits_is_polled_later(
    requester: PollRequester,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
    happens: Any,
) -> None:
    callback = await waiting(store, activities)
    await happens(activities, callback.ref)
    clock.advance(MINUTE)

    await requester.request_due()

    assert requests(activities) == []
    after = await reload(store, callback)
    assert after.sender_poll.due_at == callback.opened_at + MINUTE + POSTPONED_BY
    assert await entries(store, callback) == []


async def test_last_attempt_is_not_used_for_a_poll(
    requester: PollRequester, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    policy = RetryPolicy(maximum_attempts=2)
    callback = await waiting(store, activities, retry_policy=policy, deadline=2 * MINUTE)
    clock.advance(MINUTE)

    await requester.request_due()

    after = await reload(store, callback)
    assert requests(activities) == []
    assert after.sender_poll.is_over
    assert after.default_due_at == callback.opened_at + 2 * MINUTE
    ((kind, facts),) = await entries(store, callback)
    assert (kind, "maximum_attempts is 2" in str(facts["reason"])) == ("polling stopped", True)


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({}, None),
        ({"maximum_attempts": 3}, None),
        ({"maximum_attempts": 2}, "maximum_attempts is 2"),
        ({"attempt": 2, "maximum_attempts": 3}, "maximum_attempts is 3"),
        ({"cancel_requested": True}, "a cancellation was requested"),
        ({"non_retryable_types": (POLL_TYPE,)}, "non_retryable_error_types"),
        ({"times_out_at": factories.NOW + timedelta(seconds=9)}, "schedule-to-close"),
        ({"times_out_at": factories.NOW + timedelta(seconds=11)}, None),
    ],
    ids=str,
)
def test_activity_that_would_get_no_further_attempt_is_polled_no_more(
    facts: dict[str, Any], reason: str | None
) -> None:
    plain = {"attempt": 1, "is_started": True, "started_at": factories.NOW}
    rest = {"cancel_requested": False, "paused": False, "attempt_timeout_at": None}
    found = Pending(**{**plain, **rest, "last_failure": None, **facts})

    obstacle = find_obstacle(found, factories.NOW)

    assert (obstacle is None) if reason is None else reason in str(obstacle)


async def test_poll_is_repeated_if_temporal_did_not_reply(
    requester: PollRequester, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    callback = await waiting(store, activities)
    activities.is_reachable = False
    clock.advance(MINUTE)

    await requester.request_due()
    activities.is_reachable = True
    clock.advance(LEASE)
    await requester.request_due()

    assert requests(activities) == [(POLL_TYPE, to_poll_identity(callback.id))]


class Unsent(FakeActivities):
    """A server whose deliveries fail after the request was recorded."""

    failure: Exception | None = None

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        if self.failure is not None:
            raise self.failure
        await super().deliver_to_attempt(callback, encoded, identity=identity)


async def test_gateway_killed_between_the_record_and_the_request_is_replaced(
    store: SqlStore, clock: ManualClock
) -> None:
    activities = Unsent()
    requester = PollRequester(store, activities, clock=clock)
    callback = await waiting(store, activities)
    activities.failure = TemporalUnreachableError("no reply")
    clock.advance(MINUTE)
    await requester.request_due()
    recorded = (await reload(store, callback)).sender_poll

    activities.failure = None
    clock.advance(LEASE)
    await requester.request_due()

    assert recorded.requested_at is not None
    assert recorded.due_at == callback.opened_at + MINUTE + LEASE
    assert requests(activities) == [(POLL_TYPE, to_poll_identity(callback.id))]


async def test_attempt_that_ended_meanwhile_is_no_failure(
    store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> None:
    class Ended(FakeActivities):
        async def deliver_to_attempt(
            self, callback: Callback, encoded: object, *, identity: str
        ) -> None:
            self.end(callback.ref, how="completed")
            await super().deliver_to_attempt(callback, encoded, identity=identity)

    activities = Ended()
    callback = await waiting(store, activities)
    clock.advance(MINUTE)

    await PollRequester(store, activities, clock=clock).request_due()

    due_at = (await reload(store, callback)).sender_poll.due_at
    assert due_at == callback.opened_at + 2 * MINUTE


async def test_rejected_question_to_temporal_is_reported_and_stops_no_other_poll(
    store: SqlStore, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Rejecting(FakeActivities):
        bad: ActivityExecution | None = None

        async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
            if self.bad in refs:
                msg = "INVALID_ARGUMENT"
                raise RefusedByTemporalError(msg)
            return await super().poll(refs)

    activities = Rejecting()
    bad, good = [await waiting(store, activities) for _ in range(2)]
    activities.bad = bad.ref
    clock.advance(MINUTE)

    await PollRequester(store, activities, clock=clock).request_due()

    assert requests(activities) == [(POLL_TYPE, to_poll_identity(good.id))]
    errors = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert [vars(one)["callback_id"] for one in errors] == [bad.id]


async def test_row_that_cannot_be_written_stops_no_other_poll(
    requester: PollRequester,
    store: SqlStore,
    database: InMemoryDatabase,
    activities: FakeActivities,
    clock: ManualClock,
) -> None:
    bad, good = [await waiting(store, activities) for _ in range(2)]
    async with database.writing() as connection:
        await connection.execute(
            text(
                "CREATE TRIGGER refusal BEFORE INSERT ON audit_trail"
                f" WHEN NEW.callback_id = '{bad.id}'"
                " BEGIN SELECT RAISE(ABORT, 'the row is refused'); END"
            )
        )
    clock.advance(MINUTE)

    await requester.request_due()

    assert requests(activities) == [(POLL_TYPE, to_poll_identity(good.id))]


async def test_process_that_was_paused_leaves_the_rest_to_others(
    store: SqlStore, clock: ManualClock
) -> None:
    class Slow(FakeActivities):
        async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
            clock.advance(LEASE)
            return await super().poll(refs)

    activities = Slow()
    await waiting(store, activities)
    clock.advance(MINUTE)

    await PollRequester(store, activities, clock=clock).request_due()

    assert requests(activities) == []


async def polled(
    requester: PollRequester, store: SqlStore, activities: FakeActivities, clock: ManualClock
) -> Callback:
    """Return the callback of an attempt that polls."""
    callback = await waiting(store, activities, deadline=2 * MINUTE)
    clock.advance(MINUTE)
    await requester.request_due()
    activities.start(callback.ref)
    options: dict[str, Any] = {"poll": True, "poll_every": MINUTE, "deadline": 2 * MINUTE}
    return await open_callback(store, activities, callback.ref, **options)


async def test_found_answer_is_accepted(
    requester: PollRequester,
    reports: PollReports,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
) -> None:
    callback = await polled(requester, store, activities, clock)

    for _ in range(2):
        await reports.report(callback.id, 2, answer=DONE)

    after = await reload(store, callback)
    assert after.accepted is not None
    assert (after.state, after.accepted.outcome) == (State.ACCEPTED, DONE)
    assert (await entries(store, callback))[1:] == [
        ("polled", {"attempt": 2, "found": "an answer"})
    ]


@pytest.mark.parametrize("is_default", [False, True])
async def test_answer_that_was_accepted_before_counts(
    requester: PollRequester,
    reports: PollReports,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
    *,
    is_default: bool,
) -> None:
    callback = await polled(requester, store, activities, clock)
    if is_default:
        clock.advance(MINUTE + POLL_GRACE)
        await store.accept_defaults([callback.id], factories.outcome_id)
    else:
        await store.accept([factories.answer(callback.id, Completed(b'"first"'))])
    first = (await reload(store, callback)).accepted

    await reports.report(callback.id, 2, answer=DONE)

    assert (await reload(store, callback)).accepted == first
    polls = [facts for kind, facts in await entries(store, callback) if kind == "polled"]
    assert polls == [{"attempt": 2, "found": "a late answer"}]


@pytest.mark.parametrize(
    ("error", "facts"),
    [(None, {"found": "not yet"}), ("OSError", {"found": "an error", "error": "OSError"})],
)
async def test_poll_without_an_answer_leaves_the_callback_open(
    requester: PollRequester,
    reports: PollReports,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
    error: str | None,
    facts: dict[str, object],
) -> None:
    callback = await polled(requester, store, activities, clock)

    await reports.report(callback.id, 2, error=error)

    assert await state_of(store, callback) is State.OPEN
    assert (await entries(store, callback))[1:] == [("polled", {"attempt": 2, **facts})]
    assert (await reload(store, callback)).sender_poll.requested_at is None


async def test_answer_that_is_too_large_is_refused(
    requester: PollRequester,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
    reports: PollReports,
) -> None:
    callback = await polled(requester, store, activities, clock)

    activities.largest = 1
    with pytest.raises(AnswerTooLargeError):
        await reports.report(callback.id, 2, answer=DONE)

    assert await state_of(store, callback) is State.OPEN


async def test_report_of_an_unknown_callback_changes_nothing(reports: PollReports) -> None:
    await reports.report(CallbackId("cb_0"), 1)


def test_steps_have_plain_names() -> None:
    assert [step.value for step in PollStep] == ["requested", "sent", "postponed"]
