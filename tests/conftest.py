"""The real Temporal server, started once for all tests."""

import asyncio
import atexit
import inspect
import os
import signal
import time
from collections.abc import AsyncIterator, Generator, Sequence
from io import StringIO
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from temporalio.client import Client

from tests.own_temporal import own_temporal

ROOT = Path(__file__).parents[1]

# Python may crash if it exits while the SDK's threads run (temporalio 1.35, sdk-python issue 300).
# This runs after the last test.
atexit.register(time.sleep, 0.2)

# A shell makes commands in the background ignore SIGINT, and so would the programs that tests stop.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Hypothesis's own time limits measure how busy the machine is. The timeout of a test stays.
ANYWHERE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples each time, so that coverage is the same too.
settings.register_profile("quick", ANYWHERE, max_examples=20, derandomize=True, database=None)
# Without CI these differ each time, and find what nobody has thought of. In CI they are the same
# for a commit, so that one which passes there passes again.
settings.register_profile("thorough", ANYWHERE, max_examples=150, derandomize="CI" in os.environ)
settings.load_profile("quick")

LONGER = {"hypothesis": 60, "processes": 60, "thorough": 120}
"""Timeouts in seconds by mark, for tests without their own.

A `hypothesis` test tries up to 150 examples. A program needs 1 to 2 s of CPU time to start, and
a test of `processes` starts up to six. A `thorough` test also waits until killed programs are
replaced and leases have expired.
"""

HOW_TO_START = "run `make setup`, or set TEMPORAL_ADDRESS"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if " at 0x" in item.nodeid:
            msg = f"{item.nodeid}: give it an id without an address, which differs in each process"
            raise pytest.UsageError(msg)
        timeouts = [seconds for mark, seconds in LONGER.items() if item.get_closest_marker(mark)]
        if timeouts and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(max(timeouts)))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Report where each asyncio task waits when a test runs into its timeout."""
    try:
        return (yield)
    except pytest.fail.Exception as exc:
        if "Timeout" in str(exc):
            stacks = StringIO()
            tasks = _asyncio_tasks()
            for task in tasks:
                task.print_stack(file=stacks)
            item.add_report_section("call", "asyncio tasks", stacks.getvalue())
            # The last lines of a long log may be all that is left of it.
            exc.msg = f"{exc.msg} Waiting: {', '.join(sorted(map(_own_line, tasks)))}"
        raise


def _asyncio_tasks() -> "set[asyncio.Task[Any]]":
    try:
        return asyncio.all_tasks(asyncio.get_event_loop_policy().get_event_loop())
    except RuntimeError:
        # A test without asyncio has no loop.
        return set()


def _own_line(task: "asyncio.Task[Any]") -> str:
    """Return the innermost place of this project where the task waits, as `module.py:12`."""
    place = task.get_name()
    waiting: object = task.get_coro()
    while inspect.iscoroutine(waiting):
        path = Path(waiting.cr_code.co_filename)
        if path.is_relative_to(ROOT) and "site-packages" not in path.parts and waiting.cr_frame:
            place = f"{path.name}:{waiting.cr_frame.f_lineno}"
        waiting = waiting.cr_await
    return place


@pytest.fixture(scope="session")
async def temporal_address() -> AsyncIterator[str]:
    """The address of a real Temporal server."""
    given = os.environ.get("TEMPORAL_ADDRESS")
    if given:
        yield given
        return
    async with own_temporal(how_to_start=HOW_TO_START) as client:
        yield client.service_client.config.target_host


@pytest.fixture(scope="session")
async def client(temporal_address: str) -> Client:
    """A plain client of the server."""
    return await Client.connect(temporal_address)


@pytest.fixture
def unique() -> str:
    """A unique name for workflows and task queues."""
    return f"test-{uuid4()}"
