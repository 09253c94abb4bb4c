"""How an outcome ends an attempt or its activity, and which identity it leaves."""

from typing import Final

import pytest

from ringback.domain.activity_state import LastFailure, Pending
from ringback.domain.callback import Callback
from ringback.domain.errors import ActivityGoneError, RefusedByTemporalError
from ringback.domain.outcome import KINDS, Completed, Failed, Outcome
from tests.contract.activities.env import (
    AT_ONCE,
    BY_ME,
    CANCELED,
    FINAL,
    ME,
    RESULT,
    RETRIED,
    TIMED_OUT,
    ActivityEnv,
    ActivityRun,
    Plan,
    Way,
    assert_gone,
    ended,
    facts,
    send,
    waiting,
)

FINAL_BY_ME: Final = LastFailure("application", "no", "No", ME)


class EndsContract:
    @pytest.fixture(params=Way, ids=lambda way: way.value)
    def way(self, request: pytest.FixtureRequest) -> Way:
        return Way(request.param)

    @pytest.mark.parametrize("outcome", [RESULT, FINAL], ids=["completed", "failed"])
    async def test_outcome_ends_activity_with_its_identity(
        self, env: ActivityEnv, way: Way, outcome: Outcome
    ) -> None:
        run = await env.start(Plan())

        await send(env, way, run.callback, outcome)

        end = await ended(env, run)
        assert facts(end) == (KINDS[type(outcome)], ME, 1, None)
        assert end.started_at == run.callback.attempt_started_at
        assert end.failure == (FINAL_BY_ME if outcome is FINAL else None)

    async def test_requested_cancellation_ends_activity_with_its_identity(
        self, env: ActivityEnv, way: Way
    ) -> None:
        run = await env.start(Plan())
        await run.request_cancel()

        await send(env, way, run.callback, CANCELED)

        end = await ended(env, run)
        assert facts(end) == ("canceled", ME, 1, None)

    async def test_retryable_failure_ends_attempt_and_is_reported_with_identity(
        self, env: ActivityEnv, way: Way
    ) -> None:
        run = await env.start(Plan())

        await send(env, way, run.callback, RETRIED)

        assert await waiting(env, run) == Pending(
            attempt=2,
            is_started=False,
            started_at=None,
            cancel_requested=False,
            paused=False,
            attempt_timeout_at=None,
            last_failure=BY_ME,
        )

    async def test_retryable_failure_of_last_attempt_ends_activity(
        self, env: ActivityEnv, way: Way
    ) -> None:
        run = await env.start(Plan(most_attempts=1))

        await send(env, way, run.callback, RETRIED)

        end = await ended(env, run)
        assert facts(end) == ("failed", ME, 1, None)
        assert end.failure == BY_ME

    async def test_retryable_failure_ends_activity_with_cancel_request(
        self, env: ActivityEnv, way: Way
    ) -> None:
        run = await env.start(Plan())
        await run.request_cancel()

        await send(env, way, run.callback, RETRIED)

        end = await ended(env, run)
        assert facts(end) == ("failed", ME, 1, None)


class RefusalsContract:
    async def test_unrequested_cancellation_is_rejected_and_changes_nothing(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan())
        before = await waiting(env, run)

        for way in Way:
            with pytest.raises(RefusedByTemporalError, match="request canceled first"):
                await send(env, way, run.callback, CANCELED)

        assert await waiting(env, run) == before

    @pytest.mark.parametrize("outcome", [RESULT, FINAL], ids=["completed", "failed"])
    async def test_second_outcome_is_gone_and_changes_nothing(
        self, env: ActivityEnv, outcome: Outcome
    ) -> None:
        run = await env.start(Plan())
        await send(env, Way.BY_TOKEN, run.callback, outcome)
        before = await ended(env, run)

        await assert_nothing_arrives(env, run.callback)

        assert await ended(env, run) == before

    async def test_nothing_reaches_activity_of_closed_workflow(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())
        await run.terminate()

        await assert_nothing_arrives(env, run.callback)

        end = await ended(env, run)
        assert facts(end) == ("workflow terminated", "", 1, None)
        assert end.started_at == run.callback.attempt_started_at

    async def test_nothing_reaches_later_run_of_workflow(self, env: ActivityEnv) -> None:
        earlier = await env.start(Plan())
        await earlier.terminate()
        later = await env.start(Plan(workflow_id=earlier.callback.ref.workflow_id))

        await assert_nothing_arrives(env, earlier.callback)

        assert await env.activities.find_after_reset(earlier.callback.ref) is None
        assert earlier.callback.ref.activity_id == later.callback.ref.activity_id
        assert (await waiting(env, later)).attempt == 1


class ActivityEndsContract:
    async def test_timed_out_attempt_is_followed_by_the_next(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())

        await run.time_out()

        found = await waiting(env, run)
        assert (found.attempt, found.is_started, found.last_failure) == (2, False, TIMED_OUT)

    async def test_timeout_of_last_attempt_ends_activity_without_identity(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan(most_attempts=2, back_off=AT_ONCE))
        await send(env, Way.BY_TOKEN, run.callback, RETRIED)
        await run.next_attempt()

        await run.time_out()

        end = await ended(env, run)
        assert facts(end) == ("timed out", "", 2, BY_ME)
        assert end.started_at == run.callback.attempt_started_at

    async def test_timeout_ends_activity_with_cancel_request(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())
        await run.request_cancel()

        await run.time_out()

        end = await ended(env, run)
        assert facts(end) == ("timed out", "", 1, None)

    async def test_failure_of_worker_has_no_identity(self, env: ActivityEnv) -> None:
        run = await env.start(Plan(stays_in_worker=True))

        await run.end_in_worker(RETRIED)

        found = await waiting(env, run)
        assert found.last_failure == LastFailure("application", "busy", "Busy", "")

    @pytest.mark.parametrize(
        ("outcome", "most_attempts", "failure"),
        [
            (RESULT, 0, None),
            (FINAL, 0, LastFailure("application", "no", "No")),
            (RETRIED, 1, LastFailure("application", "busy", "Busy")),
        ],
        ids=["completed", "failed", "failed at its last attempt"],
    )
    async def test_activity_ended_by_worker_names_the_worker(
        self,
        env: ActivityEnv,
        outcome: Completed | Failed,
        most_attempts: int,
        failure: LastFailure | None,
    ) -> None:
        run = await env.start(Plan(stays_in_worker=True, most_attempts=most_attempts))

        await run.end_in_worker(outcome)

        end = await ended(env, run)
        assert facts(end) == (KINDS[type(outcome)], env.worker, 1, None)
        assert end.failure == failure

    async def test_cancel_request_between_attempts_ends_activity(self, env: ActivityEnv) -> None:
        run = await failed_once(env)

        await run.request_cancel()

        end = await ended(env, run)
        shown = (end.how, end.attempt, end.started_at, end.last_failure)
        assert shown == ("canceled", None, None, None)
        assert end.identity != ME

    async def test_workflow_closed_between_attempts_reports_last_failure(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env)

        await run.terminate()

        end = await ended(env, run)
        assert facts(end) == ("workflow terminated", "", 2, BY_ME)
        assert end.started_at is None
        assert end.is_workflow_end


async def failed_once(env: ActivityEnv, plan: Plan | None = None) -> ActivityRun:
    """Return an activity that is between two attempts."""
    run = await env.start(plan or Plan())
    await send(env, Way.BY_TOKEN, run.callback, RETRIED)
    return run


async def assert_nothing_arrives(env: ActivityEnv, callback: Callback) -> None:
    """Assert that every outcome and every heartbeat is refused."""
    for way in Way:
        await assert_gone(env, way, callback)
    with pytest.raises(ActivityGoneError):
        await env.heartbeats.heartbeat(callback, b"1")
