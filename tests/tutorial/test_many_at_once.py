"""The fifth exercise: many Activities at once, as a learner answers them."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

import pytest

from tests.tutorial.exercises import TUTORIAL
from tests.tutorial.programs import Program, running

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXERCISE = TUTORIAL / "05-many-at-once"
WAITING = "Waiting for work."
STARTED = "Started workflow tutorial-05-thumbnails, waiting for its result."
FIRST = "Another program was first with picture 7."
PROGRESS = ["10 done.", "20 done.", "30 done."]
NOT_TAKEN = "Picture {} was not taken: ActivityNotFoundError."

BY_HAND = [
    WAITING,
    FIRST,
    *(f"Picture {number} is done." for number in range(7)),
    "Stopped: an Activity does not wait any more.",
]
MANY = [WAITING, FIRST, *PROGRESS, NOT_TAKEN.format(7)]
MANY_AGAIN = [*PROGRESS, *(NOT_TAKEN.format(number) for number in range(8))]
BATCHES = [WAITING, FIRST, *PROGRESS, "28 completed, 1 failed, 1 undelivered."]
ALL = [STARTED, "30 thumbnails, 0 without."]
ALL_BUT_ONE = [STARTED, "29 thumbnails, 1 without."]


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
async def shrinking(run: Run, way: str) -> AsyncIterator[Program]:
    """Start the shrinker; it waits for work."""
    async with run("shrinker.py", way) as shrinker:
        assert await shrinker.printed() == WAITING
        yield shrinker


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(
    ("way", "printed", "result"), [("many", MANY, ALL), ("batches", BATCHES, ALL_BUT_ONE)]
)
async def test_each_activity_gets_its_answer(
    run: Run, way: str, printed: list[str], result: list[str]
) -> None:
    async with shrinking(run, way) as shrinker, run("starter.py") as starter:
        shrunk = await shrinker.ended()
        ended = await starter.ended()

    assert (shrunk.exit_code, [WAITING, *shrunk.out], shrunk.err) == (0, printed, [])
    assert (ended.exit_code, ended.out) == (0, result)


@pytest.mark.thorough
@pytest.mark.usefixtures("worker")
async def test_by_hand_one_that_was_answered_stops_the_rest_until_they_are_completed_together(
    run: Run,
) -> None:
    async with shrinking(run, "by-hand") as shrinker, run("starter.py") as starter:
        stopped = await shrinker.ended()
        async with run("shrinker.py", "many", "--again") as again:
            completed = await again.ended()
        ended = await starter.ended()

    assert stopped.exit_code == 1
    assert [WAITING, *stopped.out, *stopped.err] == BY_HAND
    assert completed.out == MANY_AGAIN
    assert ended.out == ALL


@pytest.mark.parametrize(
    "shown", [BY_HAND, MANY, MANY_AGAIN, BATCHES, ALL, ALL_BUT_ONE], ids=lambda lines: lines[-1]
)
def test_the_readme_shows_what_is_printed(shown: list[str]) -> None:
    readme = (EXERCISE / "README.md").read_text(encoding="utf-8")

    assert "```\n" + "\n".join(shown) + "\n```\n" in readme
