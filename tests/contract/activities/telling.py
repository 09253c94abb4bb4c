"""What can be learnt about an activity, and what is refused before it is sent."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.activity_state import HeartbeatResponse, Pending, Unknown
from ringback.domain.errors import AnswerTooLargeError
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.domain.terms import to_terms
from tests.contract.activities.stage import (
    OUTCOMES,
    RESULT,
    RETRIED,
    Plan,
    Stage,
    Way,
    assert_gone,
    ended,
    send,
    waiting,
)

MINUTE = timedelta(minutes=1)
LARGE = b'"' + b"x" * 2 * 1024 * 1024 + b'"'
TOO_LARGE: list[Outcome] = [
    Completed(LARGE),
    Canceled(LARGE),
    Failed("no", non_retryable=True, details=b"[" + LARGE + b"]"),
    Failed("no", details=b'["' + b"x" * 4096 + b'"]'),
]
LARGE_ENOUGH: list[Outcome] = [
    Completed(b'"' + b"x" * 2 * 1024 * 1000 + b'"'),
    Failed("no", non_retryable=True, details=b'["' + b"x" * 4096 + b'"]'),
]


class Telling:
    async def test_an_attempt_that_runs_tells_its_start_and_when_it_times_out(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan(start_to_close=MINUTE, schedule_to_close=2 * MINUTE))

        started_at = scene.asked.attempt_started_at
        assert await waiting(stage, scene) == Pending(
            attempt=1,
            is_started=True,
            started_at=started_at,
            cancel_requested=False,
            paused=False,
            attempt_timeout_at=started_at + MINUTE,
            last_failure=None,
        )

    async def test_between_two_attempts_only_the_whole_activity_can_time_out(
        self, stage: Stage
    ) -> None:
        plan = Plan(start_to_close=MINUTE, schedule_to_close=9 * MINUTE, back_off=MINUTE)
        scene = await stage.ask(plan)
        await send(stage, Way.BY_TOKEN, scene.asked, RETRIED)

        found = await waiting(stage, scene)

        assert found.attempt_timeout_at == scene.asked.ref.scheduled_at + 9 * MINUTE

    async def test_a_request_to_cancel_shows(self, stage: Stage) -> None:
        scene = await stage.ask(Plan())
        before = await stage.heartbeats.heartbeat(scene.asked, b"1")

        await scene.request_cancel()

        after = await stage.heartbeats.heartbeat(scene.asked, None)
        assert (await waiting(stage, scene)).cancel_requested
        assert before == HeartbeatResponse(cancel_requested=False, paused=False, reset=False)
        assert after == HeartbeatResponse(cancel_requested=True, paused=False, reset=False)

    async def test_the_activities_of_a_run_are_looked_at_in_their_order(self, stage: Stage) -> None:
        first, second, third = await stage.ask_many(Plan(activities=3))
        never = replace(first, activity_id="99")
        elsewhere = replace(first, workflow_id="nobody")

        looks = await stage.activities.poll([third, never, first, elsewhere, second])

        assert [look is not None for look in looks] == [True, False, True, False, True]
        located = [await stage.activities.resolve(ref) for ref in (third, first, second)]
        together = await stage.activities.resolve_all([third, never, first, elsewhere, second])
        assert [together[0], together[2], together[4]] == located
        assert [type(together[n]) for n in (1, 3)] == [Unknown, Unknown]
        assert [looks[0], looks[2], looks[4]] == located

    async def test_an_activity_that_never_was_is_unknown_and_takes_nothing(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan())
        ref = scene.asked.ref
        strange = [
            replace(ref, workflow_id="nobody"),
            replace(ref, run_id="00000000-0000-0000-0000-000000000000"),
            replace(ref, activity_id="99"),
            replace(ref, scheduled_at=ref.scheduled_at - timedelta(seconds=1)),
        ]

        found = [await stage.activities.resolve(one) for one in strange]
        together = await stage.activities.resolve_all(strange)

        assert {type(one) for one in found} == {Unknown}
        assert together == found
        assert await stage.activities.poll(strange) == [None] * 4
        assert await stage.activities.find_after_reset(strange[0]) is None
        for one in strange[:3]:
            await assert_gone(stage, Way.BY_IDS, replace(scene.asked, ref=one), *OUTCOMES)

    async def test_what_the_server_would_cut_or_fail_the_activity_over_is_refused(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan())

        for outcome in TOO_LARGE:
            with pytest.raises(AnswerTooLargeError):
                await stage.activities.check(to_terms(scene.asked), outcome)

    async def test_what_is_too_large_is_not_sent(self, stage: Stage) -> None:
        scene = await stage.ask(Plan())

        for way in Way:
            for outcome in TOO_LARGE:
                with pytest.raises(AnswerTooLargeError):
                    await send(stage, way, scene.asked, outcome)

        assert (await waiting(stage, scene)).attempt == 1

    async def test_what_the_server_keeps_as_it_is_passes(self, stage: Stage) -> None:
        scene = await stage.ask(Plan())

        for outcome in (*OUTCOMES, *LARGE_ENOUGH):
            await stage.activities.check(to_terms(scene.asked), outcome)

    async def test_details_of_a_heartbeat_that_would_fail_the_activity_are_refused(
        self, stage: Stage
    ) -> None:
        scene = await stage.ask(Plan())

        with pytest.raises(AnswerTooLargeError):
            await stage.heartbeats.heartbeat(scene.asked, LARGE)

        await send(stage, Way.BY_TOKEN, scene.asked, RESULT)
        assert (await ended(stage, scene)).how == "completed"
