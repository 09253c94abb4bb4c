"""What an operator does to an activity, and what of it shows."""

from datetime import timedelta

import pytest

from ringback.domain.activity_state import HeartbeatResponse
from tests.contract.activities.ending import failed_once
from tests.contract.activities.stage import (
    AT_ONCE,
    BY_ME,
    ME,
    RESULT,
    RETRIED,
    Plan,
    Scene,
    Stage,
    Way,
    assert_gone,
    ended,
    facts,
    send,
    waiting,
)


class Pausing:
    async def test_a_pause_shows_stops_the_timers_and_keeps_nobody_from_answering(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan())
        before = await waiting(stage, scene)

        await scene.pause()

        found = await waiting(stage, scene)
        response = await stage.heartbeats.heartbeat(scene.asked, None)
        await send(stage, Way.BY_TOKEN, scene.asked, RESULT)
        assert before.attempt_timeout_at is not None
        assert (found.paused, found.is_started, found.attempt_timeout_at) == (True, True, None)
        assert found.started_at == before.started_at
        assert response == HeartbeatResponse(cancel_requested=False, paused=True, reset=False)
        assert facts(await ended(stage, scene)) == ("completed", ME, 1, None)

    async def test_after_a_pause_all_is_as_it_was_before(self, stage: Stage) -> None:
        scene = await stage.ask(Plan())
        before = await waiting(stage, scene)

        await scene.pause()
        await scene.unpause()

        assert await waiting(stage, scene) == before
        await send(stage, Way.BY_TOKEN, scene.asked, RESULT)

    @pytest.mark.parametrize("most_attempts", [0, 1], ids=["one of many", "the last"])
    async def test_a_failure_of_a_paused_attempt_waits_and_the_end_of_the_pause_forgets_it(
        self, stage: Stage, most_attempts: int
    ) -> None:
        scene = await stage.ask(Plan(most_attempts=most_attempts))
        await scene.pause()
        await send(stage, Way.BY_TOKEN, scene.asked, RETRIED)
        paused = await waiting(stage, scene)

        await scene.unpause()
        later = await scene.next_attempt()

        found = await waiting(stage, scene)
        assert (paused.attempt, paused.is_started, paused.paused) == (2, False, True)
        assert paused.last_failure == BY_ME
        assert (later.attempt, found.paused, found.last_failure) == (2, False, None)

    async def test_a_cancel_request_shows_beside_a_pause_and_outdoes_it(self, stage: Stage) -> None:
        scene = await stage.ask(Plan())
        await scene.pause()
        await scene.request_cancel()

        found = await waiting(stage, scene)
        response = await stage.heartbeats.heartbeat(scene.asked, None)
        await send(stage, Way.BY_TOKEN, scene.asked, RETRIED)

        assert (found.cancel_requested, found.paused, found.attempt_timeout_at) == (
            True,
            True,
            None,
        )
        assert response == HeartbeatResponse(cancel_requested=True, paused=True, reset=False)
        assert facts(await ended(stage, scene)) == ("failed", ME, 1, None)


class Resetting:
    async def test_a_reset_of_a_running_attempt_makes_it_the_first_and_leaves_it_running(
        self, stage: Stage
    ) -> None:
        scene = await failed_once(stage, Plan(back_off=AT_ONCE))
        second = await scene.next_attempt()
        before = await stage.heartbeats.heartbeat(second, None)

        await scene.reset()

        found = await waiting(stage, scene)
        response = await stage.heartbeats.heartbeat(second, None)
        assert (found.attempt, found.started_at) == (1, second.attempt_started_at)
        assert (found.is_started, found.last_failure) == (True, BY_ME)
        assert (before.reset, response.reset) == (False, True)

    async def test_a_reset_revives_the_first_attempt_s_token_and_kills_the_one_that_runs(
        self, stage: Stage
    ) -> None:
        scene = await failed_once(stage, Plan(back_off=AT_ONCE))
        first, second = scene.asked, await scene.next_attempt()
        await scene.reset()

        await assert_gone(stage, Way.BY_TOKEN, second)
        await send(stage, Way.BY_TOKEN, first, RESULT)

        end = await ended(stage, scene)
        assert facts(end) == ("completed", ME, 1, BY_ME)
        assert end.started_at == second.attempt_started_at

    async def test_a_reset_gives_all_attempts_back_and_a_token_is_good_for_its_number_again(
        self, stage: Stage
    ) -> None:
        scene = await failed_once(stage, Plan(back_off=AT_ONCE, most_attempts=2))
        second = await scene.next_attempt()
        await scene.reset()
        await send(stage, Way.BY_IDS, second, RETRIED)
        again = await scene.next_attempt()

        response = await stage.heartbeats.heartbeat(again, None)
        found = await waiting(stage, scene)
        await send(stage, Way.BY_TOKEN, second, RESULT)

        assert (second.attempt, again.attempt, found.attempt) == (2, 2, 2)
        assert second.attempt_started_at < again.attempt_started_at
        assert not response.reset
        assert facts(await ended(stage, scene)) == ("completed", ME, 2, BY_ME)

    async def test_a_reset_between_two_attempts_forgets_how_the_first_ended(
        self, stage: Stage
    ) -> None:
        scene = await failed_once(stage)
        first = scene.asked
        await scene.reset()
        again = await scene.next_attempt()

        found = await waiting(stage, scene)
        response = await stage.heartbeats.heartbeat(again, None)
        await send(stage, Way.BY_TOKEN, first, RESULT)

        assert (again.attempt, found.attempt, found.last_failure) == (1, 1, None)
        assert first.attempt_started_at < again.attempt_started_at
        assert not response.reset
        assert facts(await ended(stage, scene)) == ("completed", ME, 1, None)

    async def test_a_reset_ends_a_pause_and_not_a_cancel_request(self, stage: Stage) -> None:
        scene = await stage.ask(Plan())
        await scene.pause()
        await scene.request_cancel()

        await scene.reset()

        found = await waiting(stage, scene)
        assert (found.paused, found.cancel_requested) == (False, True)


class ChangingTimeouts:
    async def test_a_new_time_out_shows_at_once(self, stage: Stage) -> None:
        scene = await failed_once(stage, Plan(back_off=AT_ONCE))
        await scene.next_attempt()

        await scene.set_timeout(timedelta(seconds=100))

        found = await waiting(stage, scene)
        assert found.attempt_timeout_at == scene.asked.ref.scheduled_at + timedelta(seconds=100)
        assert found.last_failure == BY_ME

    async def test_a_new_time_out_between_two_attempts_forgets_how_the_first_ended(
        self, stage: Stage
    ) -> None:
        scene = await failed_once(stage)

        await scene.set_timeout(timedelta(seconds=100))

        assert (await waiting(stage, scene)).last_failure is None
        await scene.terminate()
        assert facts(await ended(stage, scene)) == ("workflow terminated", "", 2, None)


class ResettingWorkflows:
    async def test_a_workflow_reset_ends_the_activity_and_it_waits_again_in_the_new_run(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan())
        earlier = scene.asked
        before = await stage.activities.find_after_reset(earlier.ref)

        later = await scene.reset_workflow()

        assert before is None
        assert await stage.activities.find_after_reset(earlier.ref) == later.ref
        assert await stage.activities.find_after_reset(later.ref) is None
        assert (later.ref.run_id, later.attempt) != (earlier.ref.run_id, earlier.attempt)
        assert later.ref.scheduled_at == earlier.ref.scheduled_at
        for way in Way:
            await assert_gone(stage, way, earlier)
        await assert_waits(stage, scene)

    async def test_after_two_resets_the_activity_is_found_in_the_latest_run(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan())
        first = scene.asked
        second = await scene.reset_workflow()
        third = await scene.reset_workflow()

        found = [await stage.activities.find_after_reset(one.ref) for one in (first, second, third)]

        assert found == [third.ref, third.ref, None]


async def assert_waits(stage: Stage, scene: Scene) -> None:
    """Check that the activity takes an outcome."""
    await send(stage, Way.BY_TOKEN, scene.asked, RESULT)
    assert facts(await ended(stage, scene)) == ("completed", ME, 1, None)
