"""What polls report about an activity, and which answers are refused before they are sent."""

from dataclasses import replace
from datetime import timedelta

import pytest

from ringback.domain.activity_state import HeartbeatResponse, Pending, Unknown
from ringback.domain.errors import AnswerTooLargeError
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.domain.terms import to_terms
from tests.contract.activities.env import (
    OUTCOMES,
    RESULT,
    RETRIED,
    ActivityEnv,
    Plan,
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


class PollsContract:
    async def test_running_attempt_reports_start_and_timeout(self, env: ActivityEnv) -> None:
        run = await env.start(Plan(start_to_close=MINUTE, schedule_to_close=2 * MINUTE))

        started_at = run.callback.attempt_started_at
        assert await waiting(env, run) == Pending(
            attempt=1,
            is_started=True,
            started_at=started_at,
            cancel_requested=False,
            paused=False,
            attempt_timeout_at=started_at + MINUTE,
            last_failure=None,
            times_out_at=run.callback.ref.scheduled_at + 2 * MINUTE,
        )

    async def test_maximum_attempts_are_reported(self, env: ActivityEnv) -> None:
        run = await env.start(Plan(most_attempts=3))

        assert (await waiting(env, run)).maximum_attempts == 3

    async def test_between_attempts_timeout_is_that_of_the_activity(self, env: ActivityEnv) -> None:
        plan = Plan(start_to_close=MINUTE, schedule_to_close=9 * MINUTE, back_off=MINUTE)
        run = await env.start(plan)
        await send(env, Way.BY_TOKEN, run.callback, RETRIED)

        found = await waiting(env, run)

        assert found.attempt_timeout_at == run.callback.ref.scheduled_at + 9 * MINUTE

    async def test_cancel_request_is_reported(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())
        before = await env.heartbeats.heartbeat(run.callback, b"1")

        await run.request_cancel()

        after = await env.heartbeats.heartbeat(run.callback, None)
        assert (await waiting(env, run)).cancel_requested
        assert before == HeartbeatResponse(cancel_requested=False, paused=False, reset=False)
        assert after == HeartbeatResponse(cancel_requested=True, paused=False, reset=False)

    async def test_activities_of_a_run_are_polled_in_given_order(self, env: ActivityEnv) -> None:
        first, second, third = await env.start_many(Plan(activities=3))
        never = replace(first, activity_id="99")
        elsewhere = replace(first, workflow_id="nobody")

        looks = await env.activities.poll([third, never, first, elsewhere, second])

        assert [look is not None for look in looks] == [True, False, True, False, True]
        located = [await env.activities.resolve(ref) for ref in (third, first, second)]
        together = await env.activities.resolve_all([third, never, first, elsewhere, second])
        assert [together[0], together[2], together[4]] == located
        assert [type(together[n]) for n in (1, 3)] == [Unknown, Unknown]
        assert [looks[0], looks[2], looks[4]] == located

    async def test_unknown_activity_is_reported_and_accepts_nothing(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())
        ref = run.callback.ref
        strange = [
            replace(ref, workflow_id="nobody"),
            replace(ref, run_id="00000000-0000-0000-0000-000000000000"),
            replace(ref, activity_id="99"),
            replace(ref, scheduled_at=ref.scheduled_at - timedelta(seconds=1)),
        ]

        found = [await env.activities.resolve(one) for one in strange]
        together = await env.activities.resolve_all(strange)

        assert {type(one) for one in found} == {Unknown}
        assert together == found
        assert await env.activities.poll(strange) == [None] * 4
        assert await env.activities.find_after_reset(strange[0]) is None
        for one in strange[:3]:
            await assert_gone(env, Way.BY_IDS, replace(run.callback, ref=one), *OUTCOMES)

    async def test_answer_that_temporal_would_cut_or_fail_is_rejected(
        self, env: ActivityEnv
    ) -> None:
        run = await env.start(Plan())

        for outcome in TOO_LARGE:
            with pytest.raises(AnswerTooLargeError):
                await env.activities.check(to_terms(run.callback), outcome)

    async def test_too_large_answer_is_not_sent(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())

        for way in Way:
            for outcome in TOO_LARGE:
                with pytest.raises(AnswerTooLargeError):
                    await send(env, way, run.callback, outcome)

        assert (await waiting(env, run)).attempt == 1

    async def test_answer_within_limits_passes_check(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())

        for outcome in (*OUTCOMES, *LARGE_ENOUGH):
            await env.activities.check(to_terms(run.callback), outcome)

    async def test_too_large_heartbeat_details_are_not_sent(self, env: ActivityEnv) -> None:
        run = await env.start(Plan())

        with pytest.raises(AnswerTooLargeError):
            await env.heartbeats.heartbeat(run.callback, LARGE)

        await send(env, Way.BY_TOKEN, run.callback, RESULT)
        assert (await ended(env, run)).how == "completed"
