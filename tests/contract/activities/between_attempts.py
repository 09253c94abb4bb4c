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
    async def test_between_two_attempts_only_a_result_by_ids_ends_the_activity(
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

    async def test_an_activity_that_no_worker_took_is_ended_by_a_result_by_ids_only(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan(has_worker=False))
        before = await waiting(env, run)

        await assert_only_a_result_by_ids_arrives(env, run.callback)

        assert (before.attempt, before.is_started, before.started_at) == (1, False, None)
        end = await ended(env, run)
        assert facts(end) == ("completed", ME, 1, None)

    @pytest.mark.parametrize("outcome", [RESULT, FINAL], ids=["completed", "failed"])
    async def test_a_later_attempt_is_reached_by_ids_and_not_by_an_earlier_one_s_token(
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

    async def test_a_later_attempt_is_reached_by_its_own_token_and_by_any_heartbeat(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env, Plan(back_off=AT_ONCE))
        earlier, later = run.callback, await run.next_attempt()

        response = await env.heartbeats.heartbeat(earlier, b"1")
        await send(env, Way.BY_TOKEN, later, RESULT)

        assert response == HeartbeatResponse(cancel_requested=False, paused=False, reset=False)
        end = await ended(env, run)
        assert facts(end) == ("completed", ME, 2, BY_ME)

    async def test_a_failure_to_retry_takes_the_place_of_the_one_before(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan(back_off=AT_ONCE))
        await run.time_out()
        later = await run.next_attempt()

        await send(env, Way.BY_TOKEN, later, RETRIED)

        found = await waiting(env, run)
        assert (found.attempt, found.last_failure) == (3, BY_ME)

    async def test_ids_that_came_back_in_a_run_reach_the_new_activity_and_the_token_does_not(
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

    async def test_nothing_leads_to_the_run_that_a_workflow_continued_as(
        self, env: ActivityEnv
    ) -> None:
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
