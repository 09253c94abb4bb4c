"""How an outcome ends an attempt or its activity, and which identity it leaves."""

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


class EndsContract:
    @pytest.fixture(params=Way, ids=lambda way: way.value)
    def way(self, request: pytest.FixtureRequest) -> Way:
        return Way(request.param)

    @pytest.mark.parametrize("outcome", [RESULT, FINAL], ids=["completed", "failed"])
    async def test_an_outcome_ends_the_activity_in_its_own_name(
        self, env: ActivityEnv, way: Way, outcome: Outcome
    ) -> None:
        run = await env.start(Plan())

        await send(env, way, run.callback, outcome)

        end = await ended(env, run)
        assert facts(end) == (KINDS[type(outcome)], ME, 1, None)
        assert end.started_at == run.callback.attempt_started_at

    async def test_a_cancellation_that_was_asked_for_ends_it_in_its_own_name(
        self, env: ActivityEnv, way: Way
    ) -> None:
        run = await env.start(Plan())
        await run.request_cancel()

        await send(env, way, run.callback, CANCELED)

        end = await ended(env, run)
        assert facts(end) == ("canceled", ME, 1, None)

    async def test_a_failure_to_retry_ends_the_attempt_and_shows_beside_the_next_with_its_sender(
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

    async def test_a_failure_to_retry_of_the_last_attempt_ends_the_activity(
        self, env: ActivityEnv, way: Way
    ) -> None:
        run = await env.start(Plan(most_attempts=1))

        await send(env, way, run.callback, RETRIED)

        end = await ended(env, run)
        assert facts(end) == ("failed", ME, 1, None)

    async def test_a_failure_to_retry_ends_an_activity_that_was_asked_to_cancel(
        self, env: ActivityEnv, way: Way
    ) -> None:
        run = await env.start(Plan())
        await run.request_cancel()

        await send(env, way, run.callback, RETRIED)

        end = await ended(env, run)
        assert facts(end) == ("failed", ME, 1, None)


class RefusalsContract:
    async def test_a_cancellation_that_nobody_asked_for_is_refused_and_changes_nothing(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan())
        before = await waiting(env, run)

        for way in Way:
            with pytest.raises(RefusedByTemporalError, match="request canceled first"):
                await send(env, way, run.callback, CANCELED)

        assert await waiting(env, run) == before

    @pytest.mark.parametrize("outcome", [RESULT, FINAL], ids=["completed", "failed"])
    async def test_the_second_outcome_is_gone_whatever_it_is_and_changes_nothing(
        self, env: ActivityEnv, outcome: Outcome
    ) -> None:
        run = await env.start(Plan())
        await send(env, Way.BY_TOKEN, run.callback, outcome)
        before = await ended(env, run)

        await assert_nothing_arrives(env, run.callback)

        assert await ended(env, run) == before

    async def test_nothing_reaches_an_activity_whose_workflow_was_closed(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan())
        await run.terminate()

        await assert_nothing_arrives(env, run.callback)

        end = await ended(env, run)
        assert facts(end) == ("workflow terminated", "", 1, None)
        assert end.started_at == run.callback.attempt_started_at

    async def test_nothing_reaches_a_later_run_of_the_workflow(self, env: ActivityEnv) -> None:
        earlier = await env.start(Plan())
        await earlier.terminate()
        later = await env.start(Plan(workflow_id=earlier.callback.ref.workflow_id))

        await assert_nothing_arrives(env, earlier.callback)

        assert await env.activities.find_after_reset(earlier.callback.ref) is None
        assert earlier.callback.ref.activity_id == later.callback.ref.activity_id
        assert (await waiting(env, later)).attempt == 1


class ActivityEndsContract:
    async def test_an_attempt_that_times_out_is_followed_by_the_next(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan())

        await run.time_out()

        found = await waiting(env, run)
        assert (found.attempt, found.is_started, found.last_failure) == (2, False, TIMED_OUT)

    async def test_a_last_attempt_that_times_out_ends_the_activity_by_nobody_s_hand(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan(most_attempts=2, back_off=AT_ONCE))
        await send(env, Way.BY_TOKEN, run.callback, RETRIED)
        await run.next_attempt()

        await run.time_out()

        end = await ended(env, run)
        assert facts(end) == ("timed out", "", 2, BY_ME)
        assert end.started_at == run.callback.attempt_started_at

    async def test_an_attempt_that_times_out_ends_an_activity_that_was_asked_to_cancel(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan())
        await run.request_cancel()

        await run.time_out()

        end = await ended(env, run)
        assert facts(end) == ("timed out", "", 1, None)

    async def test_a_failure_of_the_worker_s_own_is_not_signed(self, env: ActivityEnv) -> None:
        run = await env.start(Plan(stays_in_worker=True))

        await run.end_in_worker(RETRIED)

        found = await waiting(env, run)
        assert found.last_failure == LastFailure("application", "busy", "Busy", "")

    @pytest.mark.parametrize(
        ("outcome", "most_attempts"),
        [(RESULT, 0), (FINAL, 0), (RETRIED, 1)],
        ids=["completed", "failed", "failed at its last attempt"],
    )
    async def test_an_activity_that_its_worker_ended_names_the_worker(
        self, env: ActivityEnv, outcome: Completed | Failed, most_attempts: int
    ) -> None:
        run = await env.start(Plan(stays_in_worker=True, most_attempts=most_attempts))

        await run.end_in_worker(outcome)

        end = await ended(env, run)
        assert facts(end) == (KINDS[type(outcome)], env.worker, 1, None)

    async def test_an_activity_between_two_attempts_that_is_asked_to_cancel_ends_at_once(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env)

        await run.request_cancel()

        end = await ended(env, run)
        shown = (end.how, end.attempt, end.started_at, end.last_failure)
        assert shown == ("canceled", None, None, None)
        assert end.identity != ME

    async def test_a_workflow_that_closes_between_two_attempts_shows_how_the_first_ended(
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
