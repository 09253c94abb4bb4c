"""A supervisor restarts what ends, with growing pauses, and reports a failed start."""

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from ringback.app.processes import Command, StartFailedError, Supervisor
from ringback.core.services import run_services
from ringback.testing import ManualClock

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")


class PausesClock(ManualClock):
    """A clock that notes each pause, and lets it pass at once."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []
        self.enough = asyncio.Event()

    async def sleep(self, delay: timedelta) -> None:
        self.pauses.append(delay.total_seconds())
        if len(self.pauses) == 4:
            self.enough.set()
            await asyncio.Event().wait()


def shell(script: str) -> Command:
    return Command(["sh", "-c", script], dict(os.environ))


def supervisor(clock: ManualClock, ready: asyncio.Event, *scripts: str) -> Supervisor:
    commands = [shell(script) for script in scripts]
    return Supervisor(commands, clock=clock, jitter=lambda: 1.0, on_ready=ready.set)


async def test_process_that_ends_is_restarted_after_growing_pauses() -> None:
    clock, ready = PausesClock(), asyncio.Event()
    always_ending = supervisor(clock, ready, "echo ready; exit 0")

    async with asyncio.timeout(10), run_services(always_ending):
        await clock.enough.wait()

    assert ready.is_set()
    assert clock.pauses == [0.5, 1, 2, 4]


@pytest.mark.parametrize(
    "scripts",
    [
        ["exit 2", "echo ready; exec sleep 60"],
        ["echo ready; exec sleep 60", "exit 2", "echo ready; exec sleep 60"],
    ],
    ids=["first", "other"],
)
async def test_error_before_all_are_ready_ends_all_with_its_code(scripts: list[str]) -> None:
    ready = asyncio.Event()

    async with asyncio.timeout(10):
        with pytest.raises(StartFailedError) as caught:
            await supervisor(ManualClock(), ready, *scripts).run()

    assert caught.value.code == 2
    assert not ready.is_set()


async def test_process_is_restarted_although_a_program_of_it_goes_on() -> None:
    clock, ready = PausesClock(), asyncio.Event()
    leaves_a_program = supervisor(clock, ready, "echo ready; sleep 60 & kill -9 $$")

    async with asyncio.timeout(10), run_services(leaves_a_program):
        await clock.enough.wait()


async def test_other_processes_start_once_the_first_is_ready(tmp_path: Path) -> None:
    file = tmp_path / "order"
    ready = asyncio.Event()
    scripts = [
        f"sleep 0.05; echo first >> {file}; echo ready; exec sleep 60",
        f"echo other >> {file}; echo ready; exec sleep 60",
    ]

    async with asyncio.timeout(10), run_services(supervisor(ManualClock(), ready, *scripts)):
        await ready.wait()

    assert file.read_text().split() == ["first", "other"]


def test_command_shows_no_environment() -> None:
    assert "geheim" not in repr(Command(["ringback"], {"RINGBACK_KEYS": "geheim"}))
