"""The results of a run: kept as JSON, from which table, plots and page are made."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Bar, Measured


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one part came to.

    Attributes:
        measured: Its figures.
        bars: What they must reach.
        method: How they were measured, as Markdown.
    """

    measured: Sequence[Measured]
    bars: Sequence[Bar]
    method: str


@dataclass(frozen=True, slots=True)
class Results:
    """What one run came to.

    Attributes:
        made_on: The day, in UTC.
        minutes: How long the run took.
        is_quick: Whether it was only to be seen that everything works.
        machine: What the machine is, by name.
        versions: The versions of all that took part, by name.
        parts: The parts that were run, by their work.
    """

    made_on: str
    minutes: float
    is_quick: bool
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    parts: Mapping[str, Outcome]


def save(results: Results, file: Path) -> None:
    """Write `results` to `file`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(_rounded(asdict(results)), indent=1) + "\n", "utf-8")


def load(file: Path) -> Results:
    """Read what `save` wrote."""
    told = json.loads(file.read_text("utf-8"))
    parts = {work: _outcome(part) for work, part in told.pop("parts").items()}
    return Results(parts=parts, **told)


def _outcome(told: Mapping[str, Any]) -> Outcome:
    return Outcome(
        measured=[Measured(**one) for one in told["measured"]],
        bars=[Bar(**one) for one in told["bars"]],
        method=told["method"],
    )


def _rounded(told: object) -> object:
    """Return `told` with no more digits than a measurement has."""
    match told:
        case float():
            return float(f"{told:.5g}")
        case dict():
            return {name: _rounded(value) for name, value in told.items()}
        case list() | tuple():
            return [_rounded(value) for value in told]
        case _:
            return told
