"""The results of a run, saved as JSON for tables, plots and the page."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Bar, Measured


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one part.

    Attributes:
        measured: Its figures.
        bars: The limits that the figures must reach.
        method: How they were measured, as Markdown.
    """

    measured: Sequence[Measured]
    bars: Sequence[Bar]
    method: str


@dataclass(frozen=True, slots=True)
class Results:
    """The result of one run.

    Attributes:
        made_on: The day, in UTC.
        minutes: How long the run took.
        is_quick: Whether the run only checked the benchmarks.
        machine: The properties of the machine, by name.
        versions: The versions of all programs, by name.
        parts: The result of each part, by its name.
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
    """Read results that `save` wrote."""
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
