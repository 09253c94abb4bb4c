"""Facts: what the worker observed, on disk, so that they survive its kill."""

import json
import os
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from temporalio.api.failure.v1 import Failure

from chaos.values import values_in


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


class FactsFile:
    """Stores facts on disk."""

    def __init__(self, folder: Path, name: str) -> None:
        """Write to this process's file in `folder`."""
        self._file = (folder / f"{name}-{os.getpid()}.jsonl").open("a")

    def add(self, fact: Fact) -> None:
        """Store `fact`; it is on disk when this returns."""
        self._file.write(json.dumps(asdict(fact)) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


EndedAttempts = dict[int, list[str] | None]
"""The values in the failure of each ended attempt; `None` if unknown."""


def read_facts(folder: Path) -> dict[str, EndedAttempts]:
    """Return how the attempts of each question ended, as far as the workers observed."""
    found: defaultdict[str, EndedAttempts] = defaultdict(dict)
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            if not line.endswith("}"):
                continue  # the worker was killed during the write
            fact = Fact(**json.loads(line))
            values = None if fact.failure is None else values_in(fact.failure)
            ended = found[fact.key]
            if values is not None or fact.attempt - 1 not in ended:
                ended[fact.attempt - 1] = values
    return found
