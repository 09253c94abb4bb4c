"""Facts: what the worker observed, on disk, so that they survive its kill."""

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TextIO

from temporalio.api.failure.v1 import Failure

from chaos.values import values_in

_CONTINUED: Final = ".continued"


def text_of(failure: Failure) -> str:
    """Return a failure as text; empty for a timeout, which may repeat an earlier failure."""
    return "" if failure.HasField("timeout_failure_info") else str(failure)


@dataclass(frozen=True, slots=True)
class Fact:
    """What an attempt found when it started.

    Attributes:
        key: The question.
        attempt: The attempt, from 2.
        failure: How the attempt before it ended; `None` if Temporal was unreachable.
    """

    key: str
    attempt: int
    failure: str | None


@dataclass(frozen=True, slots=True)
class Continued:
    """The code behind a wait began.

    Attributes:
        key: The question.
        attempt: The attempt that ran it.
        value: The value of the answer with which it began.
    """

    key: str
    attempt: int
    value: str


class FactsFile:
    """Stores facts on disk."""

    def __init__(self, folder: Path, name: str) -> None:
        """Write to this process's file in `folder`."""
        self._file = (folder / f"{name}-{os.getpid()}.jsonl").open("a")
        self._continued = (folder / f"{name}-{os.getpid()}{_CONTINUED}").open("a")

    def add(self, fact: Fact) -> None:
        """Store `fact`; it is on disk when this returns."""
        _write(self._file, asdict(fact))

    def add_continued(self, continued: Continued) -> None:
        """Store that the code behind a wait began; it is on disk when this returns."""
        _write(self._continued, asdict(continued))


def _write(file: TextIO, fact: dict[str, object]) -> None:
    file.write(json.dumps(fact) + "\n")
    file.flush()
    os.fsync(file.fileno())


EndedAttempts = dict[int, list[str] | None]
"""The values in the failure of each ended attempt; `None` if unknown."""


def read_facts(folder: Path) -> dict[str, EndedAttempts]:
    """Return how the attempts of each question ended, as far as the workers observed."""
    found: defaultdict[str, EndedAttempts] = defaultdict(dict)
    for read in _read(folder, ".jsonl"):
        fact = Fact(**read)
        values = None if fact.failure is None else values_in(fact.failure)
        ended = found[fact.key]
        if values is not None or fact.attempt - 1 not in ended:
            ended[fact.attempt - 1] = values
    return found


def read_continued(folder: Path) -> list[Continued]:
    """Return each start of the code behind a wait."""
    return [Continued(**read) for read in _read(folder, _CONTINUED)]


def _read(folder: Path, ending: str) -> Iterator[dict[str, Any]]:
    for path in sorted(folder.glob(f"*{ending}")):
        for line in path.read_text().splitlines():
            # The worker may have been killed during the write.
            if line.endswith("}"):
                yield json.loads(line)
