"""What reaches an activity when no attempt of it runs, and when a later one does."""

import pytest

from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.callback import Callback
from ringback.domain.errors import ActivityGoneError
from ringback.domain.outcome import Outcome
from tests.contract.activities.ending import assert_nothing_arrives, failed_once
from tests.contract.activities.stage import (
    AT_ONCE,
    BY_ME,
    CANCELED,
    FINAL,
    ME,
    OUTCOMES,
    RESULT,
    RETRIED,
    TIMED_OUT,
    Again,
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


class BetweenAttempts:
    async def test_between_two_attempts_only_a_result_by_ids_ends_the_activity(
        self, stage: Stage
    ) -> None:
        scene = await failed_once(stage)
        before = await waiting(stage, scene)

        await assert_gone(stage, Way.BY_TOKEN, scene.asked, *OUTCOMES)
        await assert_only_a_result_by_ids_arrives(stage, scene.asked)

        assert before.attempt == 2
        end = await ended(stage, scene)
        assert facts(end) == ("completed", ME, 2, BY_ME)
        assert end.started_at not in {None, scene.asked.attempt_started_at}

    async def test_an_activity_that_no_worker_took_is_ended_by_a_result_by_ids_only(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan(has_worker=False))
        before = await waiting(stage, scene)

        await assert_only_a_result_by_ids_arrives(stage, scene.asked)

        assert (before.attempt, before.is_started, before.started_at) == (1, False, None)
        end = await ended(stage, scene)
        assert facts(end) == ("completed", ME, 1, None)

    @pytest.mark.parametrize("outcome", [RESULT, FINAL], ids=["completed", "failed"])
    async def test_a_later_attempt_is_reached_by_ids_and_not_by_an_earlier_one_s_token(
        self, stage: Stage, outcome: Outcome
    ) -> None:
        scene = await stage.ask(Plan(back_off=AT_ONCE))
        earlier = scene.asked
        await scene.time_out()
        later = await scene.next_attempt()

        await assert_gone(stage, Way.BY_TOKEN, earlier)
        found = await waiting(stage, scene)
        await send(stage, Way.BY_IDS, earlier, outcome)

        assert (found.attempt, found.started_at) == (later.attempt, later.attempt_started_at)
        assert earlier.attempt_started_at < later.attempt_started_at
        end = await ended(stage, scene)
        assert (end.identity, end.attempt, end.last_failure) == (ME, 2, TIMED_OUT)

    async def test_a_later_attempt_is_reached_by_its_own_token_and_by_any_heartbeat(
        self, stage: Stage
    ) -> None:
        scene = await failed_once(stage, Plan(back_off=AT_ONCE))
        earlier, later = scene.asked, await scene.next_attempt()

        response = await stage.heartbeats.heartbeat(earlier, b"1")
        await send(stage, Way.BY_TOKEN, later, RESULT)

        assert response == HeartbeatResponse(cancel_requested=False, paused=False, reset=False)
        end = await ended(stage, scene)
        assert facts(end) == ("completed", ME, 2, BY_ME)

    async def test_a_failure_to_retry_takes_the_place_of_the_one_before(self, stage: Stage) -> None:
        scene = await stage.ask(Plan(back_off=AT_ONCE))
        await scene.time_out()
        later = await scene.next_attempt()

        await send(stage, Way.BY_TOKEN, later, RETRIED)

        found = await waiting(stage, scene)
        assert (found.attempt, found.last_failure) == (3, BY_ME)

    async def test_ids_that_came_back_in_a_run_reach_the_new_activity_and_the_token_does_not(
        self, stage: Stage
    ) -> None:
        scene, earlier = await asked_again(stage, Again.IN_THE_SAME_RUN)

        await assert_gone(stage, Way.BY_TOKEN, earlier)
        looks = await stage.activities.poll([earlier.ref, scene.asked.ref])
        located = await stage.activities.resolve(earlier.ref)
        response = await stage.heartbeats.heartbeat(earlier, b"1")
        await send(stage, Way.BY_IDS, earlier, RESULT)

        assert [look is not None for look in looks] == [False, True]
        assert getattr(located, "identity", None) == ME
        assert not response.cancel_requested
        assert facts(await ended(stage, scene)) == ("completed", ME, 1, None)

    async def test_nothing_leads_to_the_run_that_a_workflow_continued_as(
        self, stage: Stage
    ) -> None:
        scene, earlier = await asked_again(stage, Again.IN_A_NEW_RUN)

        await assert_nothing_arrives(stage, earlier)

        assert scene.asked.ref.run_id != earlier.ref.run_id
        assert await stage.activities.find_after_reset(earlier.ref) is None
        assert await stage.activities.poll([earlier.ref]) == [None]
        assert (await waiting(stage, scene)).attempt == 1


async def asked_again(stage: Stage, again: Again) -> tuple[Scene, Callback]:
    """Return a scene whose activity was run again, and what asked before."""
    scene = await stage.ask(Plan(again=again))
    earlier = scene.asked
    await send(stage, Way.BY_TOKEN, earlier, RESULT)
    await scene.next_attempt()
    return scene, earlier


async def assert_only_a_result_by_ids_arrives(stage: Stage, asked: Callback) -> None:
    """Check what reaches an activity without an attempt; end it with what does."""
    await assert_gone(stage, Way.BY_IDS, asked, RETRIED, FINAL, CANCELED)
    with pytest.raises(ActivityGoneError):
        await stage.heartbeats.heartbeat(asked, b"1")
    await send(stage, Way.BY_IDS, asked, RESULT)
