"""Facts: what the worker saw, kept where its own kill cannot take it away."""

import json
import os
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path

from temporalio.api.failure.v1 import Failure

from chaos.values import values_in


def text_of(failure: Failure) -> str:
    """Return a failure as text; a timeout has none, since it may only repeat what was before."""
    return "" if failure.HasField("timeout_failure_info") else str(failure)


@dataclass(frozen=True, slots=True)
class Fact:
    """What an attempt found when it began.

    Attributes:
        key: The question.
        attempt: The attempt, from 2.
        failure: How the attempt before it ended, as Temporal told; `None` if it could not be asked.
    """

    key: str
    attempt: int
    failure: str | None


class FactsFile:
    """Takes facts; when `add` returns, the fact is on the disk."""

    def __init__(self, folder: Path, name: str) -> None:
        """Write to a file of this process's own in `folder`."""
        self._file = (folder / f"{name}-{os.getpid()}.jsonl").open("a")

    def add(self, fact: Fact) -> None:
        """Keep `fact`."""
        self._file.write(json.dumps(asdict(fact)) + "\n")
        self._file.flush()
        os.fsync(self._file.fileno())


EndedAttempts = dict[int, list[str] | None]
"""For each attempt that ended: the values in its failure; `None` where nobody could tell."""


def read_facts(folder: Path) -> dict[str, EndedAttempts]:
    """Return for each question how its attempts ended, as far as the worker saw."""
    found: defaultdict[str, EndedAttempts] = defaultdict(dict)
    for path in sorted(folder.glob("*.jsonl")):
        for line in path.read_text().splitlines():
            if not line.endswith("}"):
                continue  # the worker was killed while it wrote
            fact = Fact(**json.loads(line))
            values = None if fact.failure is None else values_in(fact.failure)
            ended = found[fact.key]
            if values is not None or fact.attempt - 1 not in ended:
                ended[fact.attempt - 1] = values
    return found
