"""Starts the programs of the tutorial as a learner would, and reads what they print."""

import asyncio
import os
import re
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PATIENCE: Final = 30
"""Seconds until a program that keeps silent fails its test."""


@dataclass(frozen=True)
class Ended:
    """What a program left behind."""

    exit_code: int
    out: list[str]
    err: list[str]


@dataclass(frozen=True)
class Program:
    """A program that runs."""

    process: Process

    async def logged(self, pattern: str) -> re.Match[str]:
        """Read the log up to a line that holds `pattern`."""
        assert self.process.stderr
        seen = []
        async with asyncio.timeout(PATIENCE):
            async for line in self.process.stderr:
                seen.append(line.decode())
                if found := re.search(pattern, seen[-1]):
                    return found
        msg = f"the program ended without {pattern!r}:\n{''.join(seen)}"
        raise AssertionError(msg)

    async def printed(self) -> str:
        """Read the next line that the program prints."""
        assert self.process.stdout
        async with asyncio.timeout(PATIENCE):
            return (await self.process.stdout.readline()).decode().rstrip("\n")

    async def ended(self) -> Ended:
        """Wait for the end; what was read before is not part of it."""
        async with asyncio.timeout(PATIENCE):
            out, err = await self.process.communicate()
        assert self.process.returncode is not None
        return Ended(self.process.returncode, out.decode().splitlines(), err.decode().splitlines())

    async def interrupted(self) -> Ended:
        """Press Ctrl+C and wait for the end."""
        self.process.send_signal(signal.SIGINT)
        return await self.ended()


@asynccontextmanager
async def running(script: Path, *arguments: str, temporal_address: str) -> AsyncIterator[Program]:
    """Run `script` in its own folder; a program that is still there at the end is killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        script.name,
        *arguments,
        cwd=script.parent,
        env=surroundings(temporal_address),
        stdout=PIPE,
        stderr=PIPE,
    )
    try:
        yield Program(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


def surroundings(temporal_address: str) -> dict[str, str]:
    """Return our environment, with no Temporal settings but the address."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("TEMPORAL_")}
    return {
        **ours,
        "PYTHONUNBUFFERED": "1",
        "TEMPORAL_ADDRESS": temporal_address,
        "TEMPORAL_CONFIG_FILE": os.devnull,
    }
