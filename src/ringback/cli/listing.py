"""Lists of records: a table that fits a terminal, and tab-separated lines in a pipe.

A pipe gets every field whole, one line per record. A terminal gets the first layout that fits: all
fields, then only the major ones, then the narrow ones with the longest texts shortened. Lists
without narrow fields print a few lines per record instead.
"""

import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from pydantic import BaseModel
from rich.cells import cell_len, set_cell_size

from ringback.domain.durations import format_instant
from ringback.schemas.votes import VoteOut

Value = str | datetime | None
Record = Mapping[str, Value]

_WIDE: Final = 120
"""The width of a terminal from which on a table shows minor fields and exact times."""

_SHORTEST: Final = 10
"""The fewest columns that a shortened text keeps."""

_GAP: Final = "  "
_UNITS: Final = (
    ("d", timedelta(days=1)),
    ("h", timedelta(hours=1)),
    ("min", timedelta(minutes=1)),
    ("s", timedelta(seconds=1)),
)


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a list, in their order.

    Attributes:
        names: All fields; the first two identify a record.
        minor: Those that a terminal of less than 120 columns does not show.
        narrow: The fields to show where the major ones do not fit. Texts are shortened to fit.
    """

    names: Sequence[str]
    minor: frozenset[str] = frozenset()
    narrow: Sequence[str] = ()


def print_list(fields: Fields, records: Sequence[Record], *, now: datetime) -> None:
    """Print `records` on standard output."""
    if sys.stdout.isatty():
        lines = lines_for_terminal(
            fields, records, now=now, width=shutil.get_terminal_size().columns
        )
    else:
        lines = lines_for_pipe(fields, records)
    print("\n".join(lines))


def lines_for_pipe(fields: Fields, records: Sequence[Record]) -> list[str]:
    """Return a header and a line for each record, with tabs between the fields."""
    rows = [list(fields.names), *([_exact(one[name]) for name in fields.names] for one in records)]
    return ["\t".join(row) for row in rows]


def lines_for_terminal(
    fields: Fields, records: Sequence[Record], *, now: datetime, width: int
) -> list[str]:
    """Return the lines of the first layout that fits into `width`."""

    def age(value: Value) -> str:
        return to_age(value, now) if isinstance(value, datetime) else _exact(value)

    major = [name for name in fields.names if name not in fields.minor]
    layouts = [(fields.names, _exact), (fields.names, age)] if width >= _WIDE else []
    for names, to_text in [*layouts, (major, age)]:
        rows = [list(names), *([to_text(one[name]) for name in names] for one in records)]
        lines = _table(rows)
        if max(map(cell_len, lines)) <= width:
            return lines
    if fields.narrow:
        rows = [
            list(fields.narrow),
            *([age(one[name]) for name in fields.narrow] for one in records),
        ]
        return _table(_shortened(rows, width))
    return [line for one in records for line in _block(major, {n: age(one[n]) for n in major})]


def to_age(at: datetime, now: datetime) -> str:
    """Return how long ago `at` was, or how soon it will be, in its largest unit."""
    distance = abs(now - at)
    name, unit = next((unit for unit in _UNITS if distance >= unit[1]), _UNITS[-1])
    text = f"{distance // unit} {name}"
    return f"in {text}" if at > now else f"{text} ago"


def printable(text: str) -> str:
    """Replace each character of `text` that cannot be printed."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _exact(value: Value) -> str:
    if isinstance(value, datetime):
        return format_instant(value.replace(microsecond=0))
    return printable(value or "")


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    return [_GAP.join(_padded(row, widths)).rstrip() for row in rows]


def _padded(row: Iterable[str], widths: Iterable[int]) -> Iterable[str]:
    for text, width in zip(row, widths, strict=True):
        yield text + " " * (width - cell_len(text))


def _shortened(rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """Return `rows` with the widest columns shortened until a table of them fits into `width`."""
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    excess = sum(widths) + len(_GAP) * (len(widths) - 1) - width
    while excess > 0 and max(widths) > _SHORTEST:
        widest = widths.index(max(widths))
        widths[widest] -= 1
        excess -= 1
    return [[_cut(text, most) for text, most in zip(row, widths, strict=True)] for row in rows]


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1).rstrip() + "\u2026"


def _block(names: Sequence[str], texts: Mapping[str, str]) -> list[str]:
    first, second, *rest = names
    head = f"{texts[first]}{_GAP}{texts[second]}"
    return [head, *(f"{_GAP}{name} {texts[name]}" for name in rest if texts[name])]


def lines_of_facts(facts: Mapping[str, str]) -> list[str]:
    """Return a line for each name and its value, without control characters."""
    width = max(map(len, facts))
    return [printable(f"{name:<{width}}  {value}") for name, value in facts.items()]


def say(reply: BaseModel, text: str, *, as_json: bool) -> None:
    """Print a reply of the gateway as JSON, or `text`."""
    print(reply.model_dump_json() if as_json else printable(text))


def line_of_vote(vote: VoteOut) -> str:
    """Return a vote as one line without control characters."""
    at = format_instant(vote.at.replace(microsecond=0))
    said = "approved" if vote.approved else "rejected"
    reason = f": {vote.reason}" if vote.reason else ""
    return printable(f"{at}  {vote.by}  {said}{reason}  ({vote.proof})")
