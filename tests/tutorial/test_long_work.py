"""The fourth exercise: long work, by hand and kept alive, as a learner runs it."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import pytest
from temporalio.client import Client

from tests.tutorial.exercises import TUTORIAL
from tests.tutorial.programs import Program, running

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.usefixtures("worker")]

EXERCISE = TUTORIAL / "04-long-work-and-heartbeats"
STARTED = "Started workflow tutorial-04-render, waiting for its result."
WAITING = "Waiting for work."
BY_HAND = [
    WAITING,
    "Rendered frame 1.",
    "Rendered frame 2.",
    "Rendered frame 3.",
    "Stopped: the Activity has ended.",
]
TO_THE_END = [WAITING, *(f"Rendered frame {number}." for number in range(1, 6)), "Done."]


class Run(Protocol):
    """Runs one program of the exercise."""

    def __call__(self, name: str, *arguments: str) -> AbstractAsyncContextManager[Program]: ...


@pytest.fixture
def run(temporal_address: str) -> Run:
    def run(name: str, *arguments: str) -> AbstractAsyncContextManager[Program]:
        return running(EXERCISE / "solution" / name, *arguments, temporal_address=temporal_address)

    return run


@pytest.fixture
async def worker(run: Run) -> AsyncIterator[Program]:
    async with run("worker.py") as worker:
        yield worker
        # A worker that leaves politely leaves no task to wait for in the next test.
        await worker.interrupted()


@asynccontextmanager
async def rendering(run: Run, way: str) -> AsyncIterator[Program]:
    """Start the renderer; it waits for work."""
    async with run("renderer.py", way) as renderer:
        assert await renderer.printed() == WAITING
        yield renderer


@pytest.mark.thorough
async def test_by_hand_the_slow_frame_costs_the_activity(run: Run) -> None:
    async with rendering(run, "by-hand") as renderer, run("starter.py") as starter:
        rendered = await renderer.ended()
        ended = await starter.ended()

    assert [WAITING, *rendered.out, *rendered.err] == BY_HAND
    assert (ended.exit_code, ended.out, ended.err) == (
        1,
        [STARTED],
        ["Failed: activity Heartbeat timeout"],
    )


@pytest.mark.parametrize("way", ["kept-alive", "processed"])
async def test_what_is_kept_alive_comes_to_its_end(run: Run, way: str) -> None:
    async with rendering(run, way) as renderer, run("starter.py") as starter:
        rendered = await renderer.ended()
        ended = await starter.ended()

    assert (rendered.exit_code, [WAITING, *rendered.out]) == (0, TO_THE_END)
    assert (ended.exit_code, ended.out) == (0, [STARTED, "Result: 5 frames"])


@pytest.mark.thorough
async def test_work_that_is_processed_stops_when_it_is_canceled_and_says_how_far_it_came(
    run: Run, client: Client
) -> None:
    async with rendering(run, "processed") as renderer, run("starter.py") as starter:
        await renderer.printed()
        await renderer.printed()
        await client.get_workflow_handle("tutorial-04-render").cancel()
        rendered = await renderer.ended()
        ended = await starter.ended()

    assert rendered.err == ["Stopped: the activity is canceled."]
    assert ended.out == [STARTED, "Result: canceled, while frame 3 was rendered"]


@pytest.mark.thorough
async def test_work_whose_workflow_is_gone_stops(run: Run, client: Client) -> None:
    async with rendering(run, "kept-alive") as renderer, run("starter.py") as starter:
        await renderer.printed()
        await client.get_workflow_handle("tutorial-04-render").terminate()
        rendered = await renderer.ended()
        await starter.ended()

    assert rendered.err == ["Stopped: the Activity has ended."]


@pytest.mark.parametrize(
    "shown",
    [
        BY_HAND,
        TO_THE_END,
        [STARTED, "Failed: activity Heartbeat timeout"],
        [STARTED, "Result: 5 frames"],
        [STARTED, "Result: canceled, while frame 3 was rendered"],
    ],
    ids=lambda lines: lines[-1],
)
def test_the_readme_shows_what_is_printed(shown: list[str]) -> None:
    readme = (EXERCISE / "README.md").read_text(encoding="utf-8")

    assert "```\n" + "\n".join(shown) + "\n```\n" in readme
