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
    async def test_paused_activity_has_no_timeout_and_accepts_answers(
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

    async def test_unpause_restores_state(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())
        before = await waiting(env, run)

        await run.pause()
        await run.unpause()

        assert await waiting(env, run) == before
        await send(env, Way.BY_TOKEN, run.callback, RESULT)

    @pytest.mark.parametrize("most_attempts", [0, 1], ids=["one of many", "the last"])
    async def test_unpause_clears_failure_of_paused_attempt(
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

    async def test_cancel_request_is_reported_during_a_pause(self, env: ActivityEnv) -> None:
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
    async def test_reset_makes_running_attempt_the_first(self, env: ActivityEnv) -> None:
        run = await failed_once(env, Plan(back_off=AT_ONCE))
        second = await run.next_attempt()
        before = await env.heartbeats.heartbeat(second, None)

        await run.reset()

        found = await waiting(env, run)
        response = await env.heartbeats.heartbeat(second, None)
        assert (found.attempt, found.started_at) == (1, second.attempt_started_at)
        assert (found.is_started, found.last_failure) == (True, BY_ME)
        assert (before.reset, response.reset) == (False, True)

    async def test_reset_validates_first_token_and_invalidates_current_one(
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

    async def test_reset_restores_all_attempts_and_tokens_by_number(self, env: ActivityEnv) -> None:
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

    async def test_reset_between_attempts_clears_last_failure(self, env: ActivityEnv) -> None:
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

    async def test_reset_ends_pause_and_keeps_cancel_request(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())
        await run.pause()
        await run.request_cancel()

        await run.reset()

        found = await waiting(env, run)
        assert (found.paused, found.cancel_requested) == (False, True)


class TimeoutChangeContract:
    async def test_new_timeout_is_reported(self, env: ActivityEnv) -> None:
        run = await failed_once(env, Plan(back_off=AT_ONCE))
        await run.next_attempt()

        await run.set_timeout(timedelta(seconds=100))

        found = await waiting(env, run)
        assert found.attempt_timeout_at == run.callback.ref.scheduled_at + timedelta(seconds=100)
        assert found.last_failure == BY_ME

    async def test_new_timeout_between_attempts_clears_last_failure(self, env: ActivityEnv) -> None:
        run = await failed_once(env)

        await run.set_timeout(timedelta(seconds=100))

        assert (await waiting(env, run)).last_failure is None
        await run.terminate()
        assert facts(await ended(env, run)) == ("workflow terminated", "", 2, None)


class WorkflowResetContract:
    async def test_workflow_reset_ends_activity_and_starts_it_in_new_run(
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

    async def test_after_two_resets_activity_is_found_in_latest_run(self, env: ActivityEnv) -> None:
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
