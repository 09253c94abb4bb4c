"""The patterns are methods of a completion client, with the same options."""

from datetime import timedelta

import pytest

from ringback.completion.batch import Progress
from ringback.completion.refs import ActivityRef
from ringback.testing import FakeCompletionClient, FakeWaitingActivity
from tests.loops import idle

EVERY = timedelta(seconds=10)


async def test_client_keeps_alive(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    activity.pause()

    async with completion.keeping_alive(
        ref, every=EVERY, details="here", on_stop="continue", on_pause="stop"
    ) as life:
        assert await life.until_stopped() == "paused"

    assert activity.heartbeats == [("here",)]


async def test_client_processes_in_a_block_and_in_a_function(
    completion: FakeCompletionClient,
) -> None:
    one, two = ActivityRef("1", "workflow"), ActivityRef("2", "workflow")

    async with completion.processing(one, every=EVERY, details="here") as work:
        await idle()
        work.result = "by a block"
    returned = await completion.process(two, _work, every=EVERY, details="here")

    assert completion[one].result == "by a block"
    assert completion[two].result == returned == "by a function"
    assert completion[one].heartbeats == completion[two].heartbeats == [("here",)]


async def _work(_block: object) -> str:
    return "by a function"


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_client_completes_many(completion: FakeCompletionClient, concurrency: int) -> None:
    refs = [ActivityRef(str(number), "workflow") for number in range(6)]
    seen: list[Progress] = []

    at_once = await completion.complete_many(
        [(ref, 1) for ref in refs[:3]], concurrency=concurrency, on_progress=seen.append
    )
    async with completion.completing_many(
        [(ref, 2) for ref in refs[3:]], concurrency=concurrency, on_progress=seen.append
    ) as deliveries:
        one_by_one = [delivery async for delivery in deliveries]

    assert [one.target for one in at_once + one_by_one] == refs
    assert [completion[ref].result for ref in refs] == [1, 1, 1, 2, 2, 2]
    assert [progress.done for progress in seen] == [1, 2, 3, 1, 2, 3]
