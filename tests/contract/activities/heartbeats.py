"""Heartbeats: which attempt accepts them, and what Temporal responds."""

from typing import Final

import pytest

from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.callback import Callback
from ringback.domain.errors import ActivityGoneError, AnswerTooLargeError
from tests.contract.activities.ends import failed_once
from tests.contract.activities.env import AT_ONCE, RESULT, ActivityEnv, Plan, Way, send, waiting

LARGE: Final = b'"' + b"x" * 3 * 1024 * 1024 + b'"'
QUIET: Final = HeartbeatResponse(cancel_requested=False, paused=False, reset=False)

by_both = pytest.mark.parametrize("way", list(Way), ids=lambda way: way.value)


async def beat(
    env: ActivityEnv, way: Way, callback: Callback, details: bytes | None = None
) -> HeartbeatResponse:
    if way is Way.BY_TOKEN:
        return await env.heartbeats.heartbeat_to_attempt(callback, details)
    return await env.heartbeats.heartbeat(callback, details)


class HeartbeatsContract:
    @by_both
    async def test_running_attempt_accepts_heartbeat(self, env: ActivityEnv, way: Way) -> None:
        run = await env.start(Plan())

        responses = [await beat(env, way, run.callback, details) for details in (None, b"1", None)]

        assert responses == [QUIET] * 3

    @by_both
    async def test_heartbeat_response_reports_pause_and_cancel_request(
        self, env: ActivityEnv, way: Way
    ) -> None:
        run = await env.start(Plan())
        await run.pause()
        await run.request_cancel()

        response = await beat(env, way, run.callback, b"1")

        assert response == HeartbeatResponse(cancel_requested=True, paused=True, reset=False)

    @by_both
    async def test_between_attempts_heartbeat_is_gone(self, env: ActivityEnv, way: Way) -> None:
        run = await failed_once(env)

        with pytest.raises(ActivityGoneError):
            await beat(env, way, run.callback, b"1")

    @by_both
    async def test_ended_activity_accepts_no_heartbeat(self, env: ActivityEnv, way: Way) -> None:
        run = await env.start(Plan())
        await send(env, Way.BY_TOKEN, run.callback, RESULT)

        with pytest.raises(ActivityGoneError):
            await beat(env, way, run.callback, b"1")

    async def test_heartbeat_by_token_reaches_only_its_attempt(self, env: ActivityEnv) -> None:
        run = await failed_once(env, Plan(back_off=AT_ONCE))
        first, second = run.callback, await run.next_attempt()

        with pytest.raises(ActivityGoneError):
            await beat(env, Way.BY_TOKEN, first, b"1")

        assert await beat(env, Way.BY_TOKEN, second, b"1") == QUIET
        assert await beat(env, Way.BY_IDS, first, b"1") == QUIET

    async def test_after_reset_only_heartbeat_by_ids_reaches_attempt(
        self, env: ActivityEnv
    ) -> None:
        run = await failed_once(env, Plan(back_off=AT_ONCE))
        second = await run.next_attempt()
        await run.reset()

        with pytest.raises(ActivityGoneError):
            await beat(env, Way.BY_TOKEN, second, b"1")

        assert (await beat(env, Way.BY_IDS, second, b"1")).reset

    @by_both
    async def test_too_large_details_are_rejected(self, env: ActivityEnv, way: Way) -> None:
        run = await env.start(Plan())

        with pytest.raises(AnswerTooLargeError):
            await beat(env, way, run.callback, LARGE)
        with pytest.raises(AnswerTooLargeError):
            await env.heartbeats.check_details(run.callback, LARGE)
        await env.heartbeats.check_details(run.callback, b"1")

        assert (await waiting(env, run)).is_started
