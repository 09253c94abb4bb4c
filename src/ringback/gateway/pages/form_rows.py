"""Rows of a form's lists: how many there are, and which item each of them showed first.

A row keeps the place of its item when rows before it are removed. What it shows does not say that:
two items may look alike, such as a time with and without a zone.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Final, TypeAlias

from ringback.gateway.pages.form_model import Rows

Typed: TypeAlias = Mapping[str, Sequence[str]]
"""What was typed, by the names of controls."""

PLACES: Final = "~was"
"""The end of the name of the control with the first places of a list's rows."""

_NEW: Final = "-"
"""The place of a row that was added."""

_BEYOND: Final = 100_000
"""From here on, places belong to rows that were added."""

_MOST_DIGITS: Final = 5
"""Maximum digits of a number that a body may contain as the place of a row."""

_STEP: Final = re.compile(r"/|~(?=[a-z])|$")
"""Ends of a field's name in the names of its controls; member names have only ~0 and ~1."""

_MOST_STEPS: Final = 50
"""Maximum steps that are read of a name, since a body may contain any."""


def to_number(text: str) -> int | None:
    """Return a count or the place of a row in the name of a control; `None` if it is neither."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None


def count_rows(rows: Rows, name: str, typed: Typed) -> int:
    """Return how many items of a list the form shows."""
    (text,) = typed.get(f"{name}~rows", ["0"])[:1]
    return min(to_number(text) or 0, rows.most)


def list_parts(name: str) -> Iterator[str]:
    """Yield the names of a control and of the fields around it."""
    for end in islice(_STEP.finditer(name), _MOST_STEPS):
        yield name[: end.start()]


def format_places(count: int) -> str:
    """Return the text of the control with the places of rows before any change."""
    return " ".join(map(str, range(count)))


def show_places(name: str, typed: Typed) -> str:
    """Return the text of the control with the places of a list's rows."""
    (text,) = typed.get(f"{name}{PLACES}", [""])[:1]
    return " ".join(_NEW if to_number(one) is None else one for one in text.split())


def with_place_added(text: str, row: int) -> str:
    """Return the text of the control after a row was added as `row`."""
    return " ".join([*_padded(text, row), _NEW])


def with_place_removed(text: str, row: int) -> str:
    """Return the text of the control after the row `row` was removed."""
    places = _padded(text, row + 1)
    return " ".join([*places[:row], *places[row + 1 :]])


def _padded(text: str, count: int) -> list[str]:
    places = text.split()
    return places + [_NEW] * (count - len(places))


class RowPlaces:
    """The first places of the rows of all lists of a form."""

    def __init__(self, typed: Typed) -> None:
        """Read them from `typed`."""
        self._of: dict[str, list[int]] = {
            name.removesuffix(PLACES): _to_places(texts[0])
            for name, texts in typed.items()
            if name.endswith(PLACES)
        }

    def is_known(self, name: str) -> bool:
        """Return whether the places of a list's rows were sent."""
        return name in self._of

    def find(self, name: str, row: int) -> int:
        """Return the first place of a row; one beyond all items if it was added."""
        places = self._of.get(name)
        if places is None:
            return row
        return places[row] if row < len(places) else _BEYOND + row

    def to_first(self, name: str) -> str:
        """Return the name of a control as it would be if no row had been removed."""
        for part in list_parts(name):
            if part in self._of and name.startswith(f"{part}/"):
                step, slash, rest = name.removeprefix(f"{part}/").partition("/")
                row = to_number(step)
                return name if row is None else f"{part}/{self.find(part, row)}{slash}{rest}"
        return name


def _to_places(text: str) -> list[int]:
    """Return distinct places: of two rows that claim the same item, the second one is new."""
    places: dict[int, None] = {}
    for row, one in enumerate(text.split()):
        place = to_number(one)
        places[_BEYOND + row if place is None or place in places else place] = None
    return list(places)
