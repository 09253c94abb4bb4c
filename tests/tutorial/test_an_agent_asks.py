"""The eighth exercise, run as a learner runs it: people decide on the tool calls of an agent."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.programs import Program, program
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.tutorial.exercises import TUTORIAL

pytestmark = [pytest.mark.server, pytest.mark.processes]

SOLUTION = TUTORIAL / "08-an-agent-asks" / "solution"
README = (SOLUTION.parent / "README.md").read_text(encoding="utf-8")
ASKED = "May refund run with {'euros': 250, 'order': '17'}? "
STARTED = "Started workflow tutorial-08-refund, waiting for its result."
SAID = "Result: The tool said: "
REFUNDED = f"{SAID}refunded 250 euros for order 17"
REJECTED = f'{SAID}{{"approved": false, "reason": "too much"}}'
CHANGED = [
    f"{SAID}A person changed the arguments of this call. refund ran with"
    ' {"order": "17", "euros": 100}, and not with the arguments of the call. Do not repeat the'
    " original call.",
    "",
    "refunded 100 euros for order 17",
]


@pytest.fixture
async def site(tmp_path: Path, temporal_address: str) -> AsyncIterator[Site]:
    async with build_site(tmp_path, temporal=temporal_address) as built, built.gateway():
        yield built


@asynccontextmanager
async def run(site: Site, name: str, folder: Path = SOLUTION) -> AsyncIterator[Program]:
    environment = {**site.environment, "PYTHONUNBUFFERED": "1"}
    async with program([sys.executable, str(folder / name)], environment) as running:
        yield running


@pytest.fixture
async def worker(site: Site) -> AsyncIterator[Program]:
    async with run(site, "worker.py") as worker:
        yield worker
        # A worker that leaves politely leaves no task to wait for in the next test.
        if worker.process.returncode is None:
            await worker.interrupt()


async def test_agent_refunds_what_people_approve(site: Site, worker: Program) -> None:
    command = Command(site)
    async with run(site, "starter.py") as starter:
        callback = (await worker.line(ASKED)).partition(ASKED)[2]
        await command("approve", callback)
        ended = await starter.end()
    assert (ended, starter.lines) == (0, [STARTED, REFUNDED])

    async with run(site, "starter.py") as starter:
        callback = (await worker.line(ASKED)).partition(ASKED)[2]
        wrong = await command(
            "approve", callback, "--form", '{"order": "17", "euros": "a hundred"}'
        )
        await command("approve", callback, "--form", '{"order": "17", "euros": 100}')
        await starter.end()
    assert wrong.code == 1
    assert wrong.err in README
    assert starter.lines == [STARTED, *CHANGED]


async def test_agent_is_told_a_rejection_that_came_without_a_worker(
    site: Site, worker: Program
) -> None:
    async with run(site, "starter.py") as starter:
        callback = (await worker.line(ASKED)).partition(ASKED)[2]
        await worker.interrupt()
        await Command(site)("reject", callback, "--reason", "too much")
        async with run(site, "worker.py") as successor:
            await starter.end()
            await successor.interrupt()

    assert starter.lines == [STARTED, REJECTED]
    assert ASKED not in successor.output


async def test_worker_of_the_start_runs_the_tool_unasked(site: Site) -> None:
    practice = SOLUTION.parent / "practice"
    async with run(site, "worker.py", practice) as worker, run(site, "starter.py") as starter:
        await starter.end()
        await worker.interrupt()

    assert starter.lines == [STARTED, REFUNDED]


@pytest.mark.parametrize("lines", [[STARTED, REFUNDED], [STARTED, *CHANGED], [STARTED, REJECTED]])
def test_readme_shows_what_the_programs_print(lines: list[str]) -> None:
    assert "\n".join(lines) in README
