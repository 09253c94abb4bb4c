"""Drives HTTP with wrk, so that the client is not the limit: each request has a path of its own."""

import asyncio
import json
import resource
import shutil
import tempfile
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.programs import MissingToolError, NotStartedError

_SCRIPT: Final = Path(__file__).with_name("wrk.lua")
_MARK: Final = "RESULT "
PATIENCE_SECONDS: Final = 10
"""A reply that takes longer is late."""

_GRACE_SECONDS: Final = 15
"""How long requests under way may take after the time is up."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw.

    Attributes:
        answered: How many requests got a reply, whatever it said.
        seconds: From the first request to the last reply.
        p50: The median time to the reply, in milliseconds.
        p99: The 99th percentile of it. wrk corrects both for the requests that a slow one held up.
        refused: How many replies had a status of 400 or above.
        broken: Connections that could not be made, and reads and writes that failed.
        late: Replies that took longer than wrk's timeout.
        cpu_seconds: How much of a processor wrk used.
    """

    answered: int
    seconds: float
    p50: float
    p99: float
    refused: int
    broken: int
    late: int
    cpu_seconds: float = 0.0

    @property
    def good(self) -> int:
        """How many replies did not refuse."""
        return self.answered - self.refused

    @property
    def rate(self) -> float:
        """Good replies per second."""
        return self.good / self.seconds

    def check(self, of: str) -> None:
        """Check that every request got the reply that it was to get.

        Raises:
            DriveError: One was refused, or a connection broke.
        """
        if self.refused or self.broken:
            msg = f"{of}: {self.refused} requests were refused, {self.broken} connections broke"
            raise DriveError(msg)

    @property
    def client_busy(self) -> float:
        """Which part of a processor wrk used; near 1, it would be the limit."""
        return self.cpu_seconds / self.seconds


class DriveError(Exception):
    """A run of requests went wrong; the message says how."""


def wrk_program(path: str | None = None) -> str:
    """Return where wrk is, on `path` or else on PATH.

    Raises:
        MissingToolError: It is not on this machine.
    """
    found = shutil.which("wrk", path=path)
    if found is None:
        msg = "wrk is missing; install it with: apt-get install wrk"
        raise MissingToolError(msg)
    return found


async def drive(
    url: str,
    paths: Sequence[str],
    *,
    body: bytes,
    connections: int,
    seconds: float,
    again: bool = False,
) -> Load:
    """POST `body` to each of `paths` once, on `connections` kept open, for at most `seconds`.

    Args:
        url: The server, without a path.
        paths: Where to, in this order.
        body: JSON.
        connections: How many are kept open; each has one request under way.
        seconds: No request begins later.
        again: Whether to begin again at the end of `paths`.

    Raises:
        MissingToolError: wrk is not on this machine.
        NotStartedError: wrk could not be run, or found no server.
    """
    with tempfile.TemporaryDirectory(prefix="ringback-wrk-") as name:
        folder = Path(name)
        (folder / "paths").write_text("\n".join(paths))
        (folder / "body").write_bytes(body)
        arguments = [folder / "paths", folder / "body", connections, seconds]
        longest = int(seconds) + _GRACE_SECONDS
        words = [
            wrk_program(),
            "-t",
            1,
            "-c",
            connections,
            "-d",
            longest,
            "-T",
            PATIENCE_SECONDS,
            "-s",
            _SCRIPT,
        ]
        words += [url, "--", *arguments, "again" if again else "once"]
        return await _run([str(word) for word in words])


async def _run(words: Sequence[str]) -> Load:
    cpu_before = _cpu_of_children()
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE, stderr=STDOUT)
    printed, _ = await process.communicate()
    return parse(printed.decode(), cpu_seconds=_cpu_of_children() - cpu_before)


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def parse(printed: str, *, cpu_seconds: float = 0.0) -> Load:
    """Return what wrk printed through its script.

    Raises:
        NotStartedError: There is no result in it.
    """
    line = next((line for line in printed.splitlines() if line.startswith(_MARK)), None)
    if line is None:
        msg = f"wrk gave no result: {printed.strip()}"
        raise NotStartedError(msg)
    seen = json.loads(line.removeprefix(_MARK))
    return Load(
        answered=seen["answered"],
        seconds=seen["seconds"],
        p50=seen["p50"],
        p99=seen["p99"],
        refused=seen["refused"],
        broken=seen["connect"] + seen["read"] + seen["write"],
        late=seen["timeout"],
        cpu_seconds=cpu_seconds,
    )
