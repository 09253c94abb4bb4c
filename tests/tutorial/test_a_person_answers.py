"""The third exercise, run as a learner runs it: a gateway, a worker, a starter, and a person."""

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Protocol

import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.programs import Program, program
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.tutorial.exercises import TUTORIAL

pytestmark = [pytest.mark.server, pytest.mark.processes]

SOLUTION = TUTORIAL / "03-a-person-answers" / "solution"
ASKED = "Order 17 over 250 euros waits: "
STARTED = "Started workflow tutorial-03-order, waiting for its result."


class Run(Protocol):
    """Runs one program of the exercise."""

    def __call__(self, name: str) -> AbstractAsyncContextManager[Program]: ...


@pytest.fixture
async def site(tmp_path: Path, temporal_address: str) -> AsyncIterator[Site]:
    async with build_site(tmp_path, temporal=temporal_address) as built:
        yield built


@pytest.fixture
async def gateway(site: Site) -> AsyncIterator[Program]:
    async with site.gateway() as running:
        yield running


@pytest.fixture
def run(site: Site) -> Run:
    def run(name: str) -> AbstractAsyncContextManager[Program]:
        environment = {**site.environment, "PYTHONUNBUFFERED": "1", "LOGNAME": "ann"}
        return program([sys.executable, str(SOLUTION / name)], environment)

    return run


@pytest.fixture
async def worker(
    run: Run,
    gateway: Program,  # noqa: ARG001 - a worker opens its callbacks there
) -> AsyncIterator[Program]:
    async with run("worker.py") as worker:
        yield worker
        # A worker that leaves politely leaves no task to wait for in the next test.
        if worker.process.returncode is None:
            await worker.interrupt()


async def asked(worker: Program) -> str:
    """Return the callback that the learner reads in the worker's log."""
    return (await worker.line(ASKED)).partition(ASKED)[2]


async def test_a_person_approves_and_cannot_take_it_back(
    site: Site, run: Run, worker: Program
) -> None:
    async with run("starter.py") as starter:
        callback = await asked(worker)
        approved = await Command(site)("approve", callback, LOGNAME="ann")
        ended = await starter.end()
        again = await Command(site)("approve", callback, LOGNAME="ann")
        rejected = await Command(site)("reject", callback, LOGNAME="ann")

    assert approved.out.startswith(f"{callback} approved; accepted: it is stored")
    assert (ended, starter.lines) == (0, [STARTED, "Result: order 17 approved by ann"])
    assert again.out.startswith(f"{callback} approved; the same answer was accepted ")
    assert rejected.err == "ringback: another answer was accepted first\n"
    assert [approved.code, again.code] == [0, 0]
    assert rejected.code == 1


@pytest.mark.thorough
async def test_a_rejection_needs_no_worker_and_asks_nobody_twice(
    site: Site, run: Run, worker: Program
) -> None:
    async with run("starter.py") as starter:
        callback = await asked(worker)
        await worker.interrupt()
        await Command(site)("reject", callback, "--reason", "too expensive")
        async with run("worker.py") as successor:
            await starter.end()
            await successor.interrupt()

    assert starter.lines == [STARTED, "Result: approval denied: too expensive"]
    assert ASKED not in successor.output


@pytest.mark.thorough
async def test_decision_without_a_gateway_must_be_sent_again(
    site: Site, run: Run, worker: Program, gateway: Program
) -> None:
    async with run("starter.py") as starter:
        callback = await asked(worker)
        await gateway.interrupt()
        refused = await Command(site)("approve", callback, LOGNAME="ann")
        async with site.gateway():
            approved = await Command(site)("approve", callback, LOGNAME="ann")
            ended = await starter.end()

    assert (refused.code, approved.code) == (3, 0)
    assert f"the gateway at {site.gateway_url} cannot be reached" in refused.err
    assert (ended, starter.lines[-1]) == (0, "Result: order 17 approved by ann")


@pytest.mark.thorough
async def test_the_person_sees_what_to_decide(site: Site, run: Run, worker: Program) -> None:
    async with run("starter.py"):
        callback = await asked(worker)
        listed = await Command(site)("list", COLUMNS="200")

    assert callback in listed.out
    assert "Order 17 over 250 euros" in listed.out


def test_the_readme_shows_what_the_programs_print() -> None:
    readme = (SOLUTION.parent / "README.md").read_text(encoding="utf-8")

    assert f"{STARTED}\nResult: order 17 approved by ann\n" in readme
    assert f"{STARTED}\nResult: approval denied: too expensive\n" in readme
    assert " approved; accepted: it is stored, and the gateway delivers it to Temporal\n" in readme
