"""Signs of life: which attempt takes them, and what their sender is told."""

from typing import Final

import pytest

from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.callback import Callback
from ringback.domain.errors import ActivityGoneError, AnswerTooLargeError
from tests.contract.activities.ending import failed_once
from tests.contract.activities.stage import AT_ONCE, RESULT, Plan, Stage, Way, send, waiting

LARGE: Final = b'"' + b"x" * 3 * 1024 * 1024 + b'"'
QUIET: Final = HeartbeatResponse(cancel_requested=False, paused=False, reset=False)

by_both = pytest.mark.parametrize("way", list(Way), ids=lambda way: way.value)


async def beat(
    stage: Stage, way: Way, callback: Callback, details: bytes | None = None
) -> HeartbeatResponse:
    if way is Way.BY_TOKEN:
        return await stage.heartbeats.heartbeat_to_attempt(callback, details)
    return await stage.heartbeats.heartbeat(callback, details)


class Beating:
    @by_both
    async def test_the_attempt_that_runs_takes_a_heartbeat(self, stage: Stage, way: Way) -> None:
        scene = await stage.ask(Plan())

        responses = [await beat(stage, way, scene.asked, details) for details in (None, b"1", None)]

        assert responses == [QUIET] * 3

    @by_both
    async def test_what_is_asked_of_the_activity_is_told_in_reply(
        self, stage: Stage, way: Way
    ) -> None:
        scene = await stage.ask(Plan())
        await scene.pause()
        await scene.request_cancel()

        response = await beat(stage, way, scene.asked, b"1")

        assert response == HeartbeatResponse(cancel_requested=True, paused=True, reset=False)

    @by_both
    async def test_between_two_attempts_nobody_takes_one(self, stage: Stage, way: Way) -> None:
        scene = await failed_once(stage)

        with pytest.raises(ActivityGoneError):
            await beat(stage, way, scene.asked, b"1")

    @by_both
    async def test_an_activity_that_has_ended_takes_none(self, stage: Stage, way: Way) -> None:
        scene = await stage.ask(Plan())
        await send(stage, Way.BY_TOKEN, scene.asked, RESULT)

        with pytest.raises(ActivityGoneError):
            await beat(stage, way, scene.asked, b"1")

    async def test_by_token_only_its_own_attempt_takes_one(self, stage: Stage) -> None:
        scene = await failed_once(stage, Plan(back_off=AT_ONCE))
        first, second = scene.asked, await scene.next_attempt()

        with pytest.raises(ActivityGoneError):
            await beat(stage, Way.BY_TOKEN, first, b"1")

        assert await beat(stage, Way.BY_TOKEN, second, b"1") == QUIET
        assert await beat(stage, Way.BY_IDS, first, b"1") == QUIET

    async def test_after_a_reset_in_place_only_one_by_ids_reaches_the_attempt(
        self, stage: Stage
    ) -> None:
        scene = await failed_once(stage, Plan(back_off=AT_ONCE))
        second = await scene.next_attempt()
        await scene.reset()

        with pytest.raises(ActivityGoneError):
            await beat(stage, Way.BY_TOKEN, second, b"1")

        assert (await beat(stage, Way.BY_IDS, second, b"1")).reset

    @by_both
    async def test_details_over_which_the_activity_would_fail_are_refused(
        self, stage: Stage, way: Way
    ) -> None:
        scene = await stage.ask(Plan())

        with pytest.raises(AnswerTooLargeError):
            await beat(stage, way, scene.asked, LARGE)
        with pytest.raises(AnswerTooLargeError):
            await stage.heartbeats.check_details(scene.asked, LARGE)
        await stage.heartbeats.check_details(scene.asked, b"1")

        assert (await waiting(stage, scene)).is_started
