"""How an outcome ends an attempt or its activity, and in whose name."""

import pytest

from ringback.domain.activity_state import LastFailure, Pending
from ringback.domain.callback import Callback
from ringback.domain.errors import ActivityGoneError, RefusedByTemporalError
from ringback.domain.outcome import KINDS, Completed, Failed, Outcome
from tests.contract.activities.stage import (
    AT_ONCE,
    BY_ME,
    CANCELED,
    FINAL,
    ME,
    RESULT,
    RETRIED,
    TIMED_OUT,
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


class Ending:
    @pytest.fixture(params=Way, ids=lambda way: way.value)
    def way(self, request: pytest.FixtureRequest) -> Way:
        return Way(request.param)

    @pytest.mark.parametrize("outcome", [RESULT, FINAL], ids=["completed", "failed"])
    async def test_an_outcome_ends_the_activity_in_its_own_name(
        self, stage: Stage, way: Way, outcome: Outcome
    ) -> None:
        scene = await stage.ask(Plan())

        await send(stage, way, scene.asked, outcome)

        end = await ended(stage, scene)
        assert facts(end) == (KINDS[type(outcome)], ME, 1, None)
        assert end.started_at == scene.asked.attempt_started_at

    async def test_a_cancellation_that_was_asked_for_ends_it_in_its_own_name(
        self, stage: Stage, way: Way
    ) -> None:
        scene = await stage.ask(Plan())
        await scene.request_cancel()

        await send(stage, way, scene.asked, CANCELED)

        end = await ended(stage, scene)
        assert facts(end) == ("canceled", ME, 1, None)

    async def test_a_failure_to_retry_ends_the_attempt_and_shows_beside_the_next_with_its_sender(
        self, stage: Stage, way: Way
    ) -> None:
        scene = await stage.ask(Plan())

        await send(stage, way, scene.asked, RETRIED)

        assert await waiting(stage, scene) == Pending(
            attempt=2,
            is_started=False,
            started_at=None,
            cancel_requested=False,
            paused=False,
            attempt_timeout_at=None,
            last_failure=BY_ME,
        )

    async def test_a_failure_to_retry_of_the_last_attempt_ends_the_activity(
        self, stage: Stage, way: Way
    ) -> None:
        scene = await stage.ask(Plan(most_attempts=1))

        await send(stage, way, scene.asked, RETRIED)

        end = await ended(stage, scene)
        assert facts(end) == ("failed", ME, 1, None)

    async def test_a_failure_to_retry_ends_an_activity_that_was_asked_to_cancel(
        self, stage: Stage, way: Way
    ) -> None:
        scene = await stage.ask(Plan())
        await scene.request_cancel()

        await send(stage, way, scene.asked, RETRIED)

        end = await ended(stage, scene)
        assert facts(end) == ("failed", ME, 1, None)


class Refusing:
    async def test_a_cancellation_that_nobody_asked_for_is_refused_and_changes_nothing(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan())
        before = await waiting(stage, scene)

        for way in Way:
            with pytest.raises(RefusedByTemporalError, match="request canceled first"):
                await send(stage, way, scene.asked, CANCELED)

        assert await waiting(stage, scene) == before

    @pytest.mark.parametrize("outcome", [RESULT, FINAL], ids=["completed", "failed"])
    async def test_the_second_outcome_is_gone_whatever_it_is_and_changes_nothing(
        self, stage: Stage, outcome: Outcome
    ) -> None:
        scene = await stage.ask(Plan())
        await send(stage, Way.BY_TOKEN, scene.asked, outcome)
        before = await ended(stage, scene)

        await assert_nothing_arrives(stage, scene.asked)

        assert await ended(stage, scene) == before

    async def test_nothing_reaches_an_activity_whose_workflow_was_closed(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan())
        await scene.terminate()

        await assert_nothing_arrives(stage, scene.asked)

        end = await ended(stage, scene)
        assert facts(end) == ("workflow terminated", "", 1, None)
        assert end.started_at == scene.asked.attempt_started_at

    async def test_nothing_reaches_a_later_run_of_the_workflow(self, stage: Stage) -> None:
        earlier = await stage.ask(Plan())
        await earlier.terminate()
        later = await stage.ask(Plan(workflow_id=earlier.asked.ref.workflow_id))

        await assert_nothing_arrives(stage, earlier.asked)

        assert await stage.activities.find_after_reset(earlier.asked.ref) is None
        assert earlier.asked.ref.activity_id == later.asked.ref.activity_id
        assert (await waiting(stage, later)).attempt == 1


class EndingOfItself:
    async def test_an_attempt_that_times_out_is_followed_by_the_next(self, stage: Stage) -> None:
        scene = await stage.ask(Plan())

        await scene.time_out()

        found = await waiting(stage, scene)
        assert (found.attempt, found.is_started, found.last_failure) == (2, False, TIMED_OUT)

    async def test_a_last_attempt_that_times_out_ends_the_activity_by_nobody_s_hand(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan(most_attempts=2, back_off=AT_ONCE))
        await send(stage, Way.BY_TOKEN, scene.asked, RETRIED)
        await scene.next_attempt()

        await scene.time_out()

        end = await ended(stage, scene)
        assert facts(end) == ("timed out", "", 2, BY_ME)
        assert end.started_at == scene.asked.attempt_started_at

    async def test_an_attempt_that_times_out_ends_an_activity_that_was_asked_to_cancel(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan())
        await scene.request_cancel()

        await scene.time_out()

        end = await ended(stage, scene)
        assert facts(end) == ("timed out", "", 1, None)

    async def test_a_failure_of_the_worker_s_own_is_not_signed(self, stage: Stage) -> None:
        scene = await stage.ask(Plan(stays_in_worker=True))

        await scene.end_in_worker(RETRIED)

        found = await waiting(stage, scene)
        assert found.last_failure == LastFailure("application", "busy", "Busy", "")

    @pytest.mark.parametrize(
        ("outcome", "most_attempts"),
        [(RESULT, 0), (FINAL, 0), (RETRIED, 1)],
        ids=["completed", "failed", "failed at its last attempt"],
    )
    async def test_an_activity_that_its_worker_ended_names_the_worker(
        self, stage: Stage, outcome: Completed | Failed, most_attempts: int
    ) -> None:
        scene = await stage.ask(Plan(stays_in_worker=True, most_attempts=most_attempts))

        await scene.end_in_worker(outcome)

        end = await ended(stage, scene)
        assert facts(end) == (KINDS[type(outcome)], stage.worker, 1, None)

    async def test_an_activity_between_two_attempts_that_is_asked_to_cancel_ends_at_once(
        self, stage: Stage
    ) -> None:
        scene = await failed_once(stage)

        await scene.request_cancel()

        end = await ended(stage, scene)
        shown = (end.how, end.attempt, end.started_at, end.last_failure)
        assert shown == ("canceled", None, None, None)
        assert end.identity != ME

    async def test_a_workflow_that_closes_between_two_attempts_shows_how_the_first_ended(
        self, stage: Stage
    ) -> None:
        scene = await failed_once(stage)

        await scene.terminate()

        end = await ended(stage, scene)
        assert facts(end) == ("workflow terminated", "", 2, BY_ME)
        assert end.started_at is None
        assert end.is_the_workflow_s


async def failed_once(stage: Stage, plan: Plan | None = None) -> Scene:
    """Return an activity that is between two attempts."""
    scene = await stage.ask(plan or Plan())
    await send(stage, Way.BY_TOKEN, scene.asked, RETRIED)
    return scene


async def assert_nothing_arrives(stage: Stage, asked: Callback) -> None:
    """Check that no outcome reaches anything, nor does a heartbeat."""
    for way in Way:
        await assert_gone(stage, way, asked)
    with pytest.raises(ActivityGoneError):
        await stage.heartbeats.heartbeat(asked, b"1")
