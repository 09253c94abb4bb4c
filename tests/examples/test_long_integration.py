"""Another program heartbeats, completes and cancels by the link that it gets."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from tests.acceptance.programs import Program, free_port
from tests.examples.conftest import RunExample

pytestmark = [pytest.mark.server, pytest.mark.processes]

EXAMPLE = "long_integration.py"


@pytest.fixture(scope="module")
def farm_url() -> str:
    return f"http://127.0.0.1:{free_port()}"


@pytest.fixture(scope="module", autouse=True)
async def farm(run_example: RunExample, farm_url: str) -> AsyncIterator[Program]:
    async with run_example(EXAMPLE, "farm", RENDER_FARM=farm_url) as running:
        await running.line("Farm is running")
        yield running


@pytest.fixture(scope="module", autouse=True)
async def worker(
    run_example: RunExample,
    farm_url: str,
    gateway: Program,  # noqa: ARG001 - a worker opens its callbacks there
) -> AsyncIterator[Program]:
    async with run_example(EXAMPLE, "worker", RENDER_FARM=farm_url) as running:
        await running.line("Worker is running")
        yield running


@pytest.fixture
def film() -> str:
    return str(uuid4())


async def test_film_of_the_other_program_is_the_result(
    run_example: RunExample, farm: Program, film: str
) -> None:
    async with run_example(EXAMPLE, "render", film, "30") as ordered:
        code = await ordered.end()
        await farm.line(f"{film}: rendered")

    assert (code, ordered.lines) == (0, [f"{film}.mp4 has 30 frames"])


@pytest.mark.thorough
async def test_other_program_stops_when_the_workflow_is_canceled(
    run_example: RunExample, farm: Program, film: str
) -> None:
    async with run_example(EXAMPLE, "render", film, "999", "--cancel-after", "1") as ordered:
        code = await ordered.end()
        await farm.line(f"{film}: stopped")

    assert code == 1
    assert ordered.lines == ["not rendered: Workflow cancelled"]
