"""Deliveries to an activity while no attempt runs, and while a later attempt runs."""

import pytest

from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.callback import Callback
from ringback.domain.errors import ActivityGoneError
from ringback.domain.outcome import Outcome
from tests.contract.activities.ends import assert_nothing_arrives, failed_once
from tests.contract.activities.env import (
    AT_ONCE,
    BY_ME,
    CANCELED,
    FINAL,
    ME,
    OUTCOMES,
    RESULT,
    RETRIED,
    TIMED_OUT,
    ActivityEnv,
    ActivityRun,
    Again,
    Plan,
    Way,
    assert_gone,
    ended,
    facts,
    send,
    waiting,
)


class BetweenAttemptsContract:
    async def test_between_attempts_only_result_by_ids_ends_activity(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env)
        before = await waiting(env, run)

        await assert_gone(env, Way.BY_TOKEN, run.callback, *OUTCOMES)
        await assert_only_a_result_by_ids_arrives(env, run.callback)

        assert before.attempt == 2
        end = await ended(env, run)
        assert facts(end) == ("completed", ME, 2, BY_ME)
        assert end.started_at not in {None, run.callback.attempt_started_at}

    async def test_unstarted_activity_is_ended_only_by_result_by_ids(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan(has_worker=False))
        before = await waiting(env, run)

        await assert_only_a_result_by_ids_arrives(env, run.callback)

        assert (before.attempt, before.is_started, before.started_at) == (1, False, None)
        end = await ended(env, run)
        assert facts(end) == ("completed", ME, 1, None)

    @pytest.mark.parametrize("outcome", [RESULT, FINAL], ids=["completed", "failed"])
    async def test_later_attempt_is_reached_by_ids_and_not_by_earlier_token(
        self, env: ActivityEnv, outcome: Outcome
    ) -> None:
        run = await env.start(Plan(back_off=AT_ONCE))
        earlier = run.callback
        await run.time_out()
        later = await run.next_attempt()

        await assert_gone(env, Way.BY_TOKEN, earlier)
        found = await waiting(env, run)
        await send(env, Way.BY_IDS, earlier, outcome)

        assert (found.attempt, found.started_at) == (later.attempt, later.attempt_started_at)
        assert earlier.attempt_started_at < later.attempt_started_at
        end = await ended(env, run)
        assert (end.identity, end.attempt, end.last_failure) == (ME, 2, TIMED_OUT)

    async def test_later_attempt_is_reached_by_its_token_and_any_heartbeat_by_ids(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env, Plan(back_off=AT_ONCE))
        earlier, later = run.callback, await run.next_attempt()

        response = await env.heartbeats.heartbeat(earlier, b"1")
        await send(env, Way.BY_TOKEN, later, RESULT)

        assert response == HeartbeatResponse(cancel_requested=False, paused=False, reset=False)
        end = await ended(env, run)
        assert facts(end) == ("completed", ME, 2, BY_ME)

    async def test_retryable_failure_replaces_earlier_one(self, env: ActivityEnv) -> None:
        run = await env.start(Plan(back_off=AT_ONCE))
        await run.time_out()
        later = await run.next_attempt()

        await send(env, Way.BY_TOKEN, later, RETRIED)

        found = await waiting(env, run)
        assert (found.attempt, found.last_failure) == (3, BY_ME)

    async def test_reused_ids_reach_new_activity_and_old_token_does_not(
        self, env: ActivityEnv
    ) -> None:
        run, earlier = await rerun_activity(env, Again.IN_THE_SAME_RUN)

        await assert_gone(env, Way.BY_TOKEN, earlier)
        looks = await env.activities.poll([earlier.ref, run.callback.ref])
        located = await env.activities.resolve(earlier.ref)
        response = await env.heartbeats.heartbeat(earlier, b"1")
        await send(env, Way.BY_IDS, earlier, RESULT)

        assert [look is not None for look in looks] == [False, True]
        assert getattr(located, "identity", None) == ME
        assert not response.cancel_requested
        assert facts(await ended(env, run)) == ("completed", ME, 1, None)

    async def test_nothing_reaches_run_of_continue_as_new(self, env: ActivityEnv) -> None:
        run, earlier = await rerun_activity(env, Again.IN_A_NEW_RUN)

        await assert_nothing_arrives(env, earlier)

        assert run.callback.ref.run_id != earlier.ref.run_id
        assert await env.activities.find_after_reset(earlier.ref) is None
        assert await env.activities.poll([earlier.ref]) == [None]
        assert (await waiting(env, run)).attempt == 1


async def rerun_activity(env: ActivityEnv, again: Again) -> tuple[ActivityRun, Callback]:
    """Return a run whose activity was started again, and the callback of the activity before."""
    run = await env.start(Plan(again=again))
    earlier = run.callback
    await send(env, Way.BY_TOKEN, earlier, RESULT)
    await run.next_attempt()
    return run, earlier


async def assert_only_a_result_by_ids_arrives(env: ActivityEnv, callback: Callback) -> None:
    """Assert that without an attempt only a result by ids is accepted; it ends the activity."""
    await assert_gone(env, Way.BY_IDS, callback, RETRIED, FINAL, CANCELED)
    with pytest.raises(ActivityGoneError):
        await env.heartbeats.heartbeat(callback, b"1")
    await send(env, Way.BY_IDS, callback, RESULT)
