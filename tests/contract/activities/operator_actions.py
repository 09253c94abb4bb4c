"""Pauses, resets and new timeouts of an operator, as `Activities` reports them."""

from datetime import timedelta

import pytest

from ringback.domain.activity_state import HeartbeatResponse
from tests.contract.activities.ends import failed_once
from tests.contract.activities.env import (
    AT_ONCE,
    BY_ME,
    ME,
    RESULT,
    RETRIED,
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


class PauseContract:
    async def test_a_pause_shows_stops_the_timers_and_keeps_nobody_from_answering(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan())
        before = await waiting(env, run)

        await run.pause()

        found = await waiting(env, run)
        response = await env.heartbeats.heartbeat(run.callback, None)
        await send(env, Way.BY_TOKEN, run.callback, RESULT)
        assert before.attempt_timeout_at is not None
        assert (found.paused, found.is_started, found.attempt_timeout_at) == (True, True, None)
        assert found.started_at == before.started_at
        assert response == HeartbeatResponse(cancel_requested=False, paused=True, reset=False)
        assert facts(await ended(env, run)) == ("completed", ME, 1, None)

    async def test_after_a_pause_all_is_as_it_was_before(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())
        before = await waiting(env, run)

        await run.pause()
        await run.unpause()

        assert await waiting(env, run) == before
        await send(env, Way.BY_TOKEN, run.callback, RESULT)

    @pytest.mark.parametrize("most_attempts", [0, 1], ids=["one of many", "the last"])
    async def test_a_failure_of_a_paused_attempt_waits_and_the_end_of_the_pause_forgets_it(
        self, env: ActivityEnv, most_attempts: int
    ) -> None:
        run = await env.start(Plan(most_attempts=most_attempts))
        await run.pause()
        await send(env, Way.BY_TOKEN, run.callback, RETRIED)
        paused = await waiting(env, run)

        await run.unpause()
        later = await run.next_attempt()

        found = await waiting(env, run)
        assert (paused.attempt, paused.is_started, paused.paused) == (2, False, True)
        assert paused.last_failure == BY_ME
        assert (later.attempt, found.paused, found.last_failure) == (2, False, None)

    async def test_a_cancel_request_shows_beside_a_pause_and_outdoes_it(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan())
        await run.pause()
        await run.request_cancel()

        found = await waiting(env, run)
        response = await env.heartbeats.heartbeat(run.callback, None)
        await send(env, Way.BY_TOKEN, run.callback, RETRIED)

        assert (found.cancel_requested, found.paused, found.attempt_timeout_at) == (
            True,
            True,
            None,
        )
        assert response == HeartbeatResponse(cancel_requested=True, paused=True, reset=False)
        assert facts(await ended(env, run)) == ("failed", ME, 1, None)


class ResetContract:
    async def test_a_reset_of_a_running_attempt_makes_it_the_first_and_leaves_it_running(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env, Plan(back_off=AT_ONCE))
        second = await run.next_attempt()
        before = await env.heartbeats.heartbeat(second, None)

        await run.reset()

        found = await waiting(env, run)
        response = await env.heartbeats.heartbeat(second, None)
        assert (found.attempt, found.started_at) == (1, second.attempt_started_at)
        assert (found.is_started, found.last_failure) == (True, BY_ME)
        assert (before.reset, response.reset) == (False, True)

    async def test_a_reset_revives_the_first_attempt_s_token_and_kills_the_one_that_runs(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env, Plan(back_off=AT_ONCE))
        first, second = run.callback, await run.next_attempt()
        await run.reset()

        await assert_gone(env, Way.BY_TOKEN, second)
        await send(env, Way.BY_TOKEN, first, RESULT)

        end = await ended(env, run)
        assert facts(end) == ("completed", ME, 1, BY_ME)
        assert end.started_at == second.attempt_started_at

    async def test_a_reset_gives_all_attempts_back_and_a_token_is_good_for_its_number_again(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env, Plan(back_off=AT_ONCE, most_attempts=2))
        second = await run.next_attempt()
        await run.reset()
        await send(env, Way.BY_IDS, second, RETRIED)
        again = await run.next_attempt()

        response = await env.heartbeats.heartbeat(again, None)
        found = await waiting(env, run)
        await send(env, Way.BY_TOKEN, second, RESULT)

        assert (second.attempt, again.attempt, found.attempt) == (2, 2, 2)
        assert second.attempt_started_at < again.attempt_started_at
        assert not response.reset
        assert facts(await ended(env, run)) == ("completed", ME, 2, BY_ME)

    async def test_a_reset_between_two_attempts_forgets_how_the_first_ended(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env)
        first = run.callback
        await run.reset()
        again = await run.next_attempt()

        found = await waiting(env, run)
        response = await env.heartbeats.heartbeat(again, None)
        await send(env, Way.BY_TOKEN, first, RESULT)

        assert (again.attempt, found.attempt, found.last_failure) == (1, 1, None)
        assert first.attempt_started_at < again.attempt_started_at
        assert not response.reset
        assert facts(await ended(env, run)) == ("completed", ME, 1, None)

    async def test_a_reset_ends_a_pause_and_not_a_cancel_request(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())
        await run.pause()
        await run.request_cancel()

        await run.reset()

        found = await waiting(env, run)
        assert (found.paused, found.cancel_requested) == (False, True)


class TimeoutChangeContract:
    async def test_a_new_time_out_shows_at_once(self, env: ActivityEnv) -> None:
        run = await failed_once(env, Plan(back_off=AT_ONCE))
        await run.next_attempt()

        await run.set_timeout(timedelta(seconds=100))

        found = await waiting(env, run)
        assert found.attempt_timeout_at == run.callback.ref.scheduled_at + timedelta(seconds=100)
        assert found.last_failure == BY_ME

    async def test_a_new_time_out_between_two_attempts_forgets_how_the_first_ended(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env)

        await run.set_timeout(timedelta(seconds=100))

        assert (await waiting(env, run)).last_failure is None
        await run.terminate()
        assert facts(await ended(env, run)) == ("workflow terminated", "", 2, None)


class WorkflowResetContract:
    async def test_a_workflow_reset_ends_the_activity_and_it_waits_again_in_the_new_run(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan())
        earlier = run.callback
        before = await env.activities.find_after_reset(earlier.ref)

        later = await run.reset_workflow()

        assert before is None
        assert await env.activities.find_after_reset(earlier.ref) == later.ref
        assert await env.activities.find_after_reset(later.ref) is None
        assert (later.ref.run_id, later.attempt) != (earlier.ref.run_id, earlier.attempt)
        assert later.ref.scheduled_at == earlier.ref.scheduled_at
        for way in Way:
            await assert_gone(env, way, earlier)
        await assert_waits(env, run)

    async def test_after_two_resets_the_activity_is_found_in_the_latest_run(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan())
        first = run.callback
        second = await run.reset_workflow()
        third = await run.reset_workflow()

        found = [await env.activities.find_after_reset(one.ref) for one in (first, second, third)]

        assert found == [third.ref, third.ref, None]


async def assert_waits(env: ActivityEnv, run: ActivityRun) -> None:
    """Assert that the activity accepts an outcome."""
    await send(env, Way.BY_TOKEN, run.callback, RESULT)
    assert facts(await ended(env, run)) == ("completed", ME, 1, None)
