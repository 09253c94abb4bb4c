"""Read what was entered into the fields of a form as JSON."""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeAlias

from ringback.domain.errors import Problem
from ringback.domain.exact_json import escape_step
from ringback.gateway.pages.form_fill import fill, find_branch
from ringback.gateway.pages.form_input import EntryError, read_input
from ringback.gateway.pages.form_model import (
    MISSING,
    ROOT,
    Choice,
    Constant,
    Field,
    Form,
    Group,
    Input,
    Rows,
    Union,
    to_shown,
)

Typed: TypeAlias = Mapping[str, Sequence[str]]
"""What was typed, by the names of controls."""

_MOST_DIGITS: Final = 5
"""Maximum digits of a number that a body may contain as the place of a row."""

_STEP: Final = re.compile(r"/|~(?=[a-z])|$")
"""Ends of a field's name in the names of its controls; member names have only ~0 and ~1."""

_MOST_STEPS: Final = 50
"""Maximum steps that are read of a name, since a body may contain any."""

_UNKNOWN: Final = object()
"""The first value of a field in an object that the schema gives no default."""


class Reader:
    """Reads fields as JSON text, and collects problems.

    A field that shows what it showed first keeps its first value exactly, and stays absent if it
    was absent from the default of the object around it.
    """

    def __init__(self, form: Form, typed: Typed) -> None:
        """Read `typed`, which was entered into `form`."""
        self._root = form.root
        self._typed = typed
        now = {(name, to_sent(text)) for name, texts in typed.items() for text in texts if text}
        filled = list(fill(form.root, ROOT, MISSING))
        first = {(name, to_sent(text)) for name, text, _ in filled if text}
        self._now, self._first = now, first
        self._changed = {part for name, _ in now ^ first for part in _parts(name)}
        self._shown = {part for name, _, _ in filled for part in _parts(name)}
        self.problems: list[Problem] = []
        self.places: dict[str, Field] = {}

    @property
    def is_changed(self) -> bool:
        """Whether somebody has changed what the form shows at first."""
        return ROOT in self._changed

    def read(self) -> str | None:
        """Return the JSON text of the whole form; `None` if nothing was entered."""
        return self._read(self._root, ROOT, "", first=_UNKNOWN)

    def _read(self, one: Field, name: str, pointer: str, *, first: Any) -> str | None:
        """Return the JSON text of a field; `None` if it is left out, or has a problem.

        `first` is what it showed first; `MISSING` if it was absent.
        """
        self.places[pointer] = one
        is_same, problems = name not in self._changed, len(self.problems)
        if first is MISSING and is_same and not one.is_required:
            self._read_parts(one, name, pointer, first=first)
            del self.problems[problems:]
            return None
        if first is _UNKNOWN or first is MISSING:
            has_default = name in self._shown and one.default not in (MISSING, None)
            first = one.default if has_default else _UNKNOWN
        text = self._read_parts(one, name, pointer, first=first)
        if is_same and first is not _UNKNOWN and _is_kept(one, text, first):
            del self.problems[problems:]
            return json.dumps(first)
        return text

    def _read_parts(self, one: Field, name: str, pointer: str, *, first: Any) -> str | None:
        match one:
            case Constant(value=value):
                return None if value is MISSING else json.dumps(value)
            case Input():
                return self._input(one, name, pointer, first=first)
            case Choice():
                return self._choice(one, name, pointer, first=first)
            case Group():
                return self._group(one, name, pointer, first=first)
            case Rows():
                return self._rows(one, name, pointer, first=first)
            case Union():
                return self._union(one, name, pointer, first=first)
            case _:
                msg = f"{type(one).__name__} is no kind of field"
                raise TypeError(msg)

    def _input(self, one: Input, name: str, pointer: str, *, first: Any) -> str | None:
        (text,) = self._typed.get(name, [""])[:1]
        is_new = first is _UNKNOWN and one.default in (MISSING, None) and not one.is_required
        if is_new and not text and self._root.default is not MISSING:
            return None
        try:
            return read_input(one, text)
        except EntryError as exc:
            self._complain(pointer, str(exc))
            return None

    def _choice(self, one: Choice, name: str, pointer: str, *, first: Any) -> str | None:
        chosen = [one.options[number].value for number in chosen_options(one, name, self._typed)]
        if one.is_many:
            is_list = one.is_required or isinstance(first, list)
            return json.dumps(chosen) if chosen or is_list else None
        if not chosen:
            self._miss_choice(one, pointer)
            return None
        return None if chosen[0] is MISSING else json.dumps(chosen[0])

    def _group(self, one: Group, name: str, pointer: str, *, first: Any) -> str:
        known = first if isinstance(first, Mapping) else None
        read = {
            key: self._read(
                member,
                f"{name}/{escape_step(key)}",
                f"{pointer}/{escape_step(key)}",
                first=_UNKNOWN if known is None else known.get(key, MISSING),
            )
            for key, member in one.members.items()
        }
        if known is not None and one.is_open:
            read |= {key: json.dumps(known[key]) for key in known if key not in one.members}
        said = [f"{json.dumps(key)}:{text}" for key, text in read.items() if text is not None]
        return "{" + ",".join(said) + "}"

    def _rows(self, one: Rows, name: str, pointer: str, *, first: Any) -> str | None:
        count = count_rows(one, name, self._typed)
        if count == 0 and not one.is_required and one.default is MISSING:
            return "[]" if isinstance(first, list) else None
        known = first if isinstance(first, list) else []
        moved = self._find_moved(name, count, known[: one.most])
        read: list[str | None] = []
        for row in range(count):
            place, number = f"{name}/{row}", len(self.problems)
            was = known[row] if row < len(known) else _UNKNOWN
            text = self._read(one.item, place, f"{pointer}/{row}", first=was)
            if row in moved:
                del self.problems[number:]
                text = json.dumps(known[moved[row]])
            read.append(text)
        read += [json.dumps(item) for item in known[one.most :]]
        return "[" + ",".join(text or "null" for text in read) + "]"

    def _find_moved(self, name: str, count: int, known: Sequence[Any]) -> Mapping[int, int]:
        """Return the first places of rows that moved as a whole, since others were removed."""
        same = {row for row in range(len(known)) if f"{name}/{row}" not in self._changed}
        if len(same) == len(known):
            return {}
        now, first = _by_row(self._now, name), _by_row(self._first, name)
        free = [row for row in range(len(known)) if row not in same or row >= count]
        moved: dict[int, int] = {}
        for row in sorted(set(range(count)) - same):
            found = next((place for place in free if first[place] == now[row]), None)
            if found is not None:
                free.remove(found)
                moved[row] = found
        return moved

    def _union(self, one: Union, name: str, pointer: str, *, first: Any) -> str | None:
        number = chosen_branch(one, name, self._typed)
        if number is None:
            self._miss_choice(one, pointer)
            return None
        is_first = first is not _UNKNOWN and number == find_branch(one, first)
        inner = first if is_first else _UNKNOWN
        return self._read(one.branches[number], f"{name}~b{number}", pointer, first=inner)

    def _miss_choice(self, one: Field, pointer: str) -> None:
        if is_needed(one):
            self._complain(pointer, "choose one")

    def _complain(self, pointer: str, message: str) -> None:
        self.problems.append(Problem(pointer, message))


def _is_kept(one: Field, text: str | None, first: Any) -> bool:
    """Return whether a field that shows what it showed first has its first value as a whole.

    Members of groups and rows are kept one by one. A choice that shows none of its options has to
    be made.
    """
    match one:
        case Input():
            return True
        case Choice():
            return one.is_many or text is not None
        case Group():
            return not isinstance(first, Mapping)
        case Rows():
            return not isinstance(first, list)
        case Union():
            return text is None and find_branch(one, first) is None
        case _:
            return False


def _parts(name: str) -> Iterator[str]:
    """Yield the names of a control and of the fields around it."""
    for end in islice(_STEP.finditer(name), _MOST_STEPS):
        yield name[: end.start()]


def _by_row(shown: set[tuple[str, str]], name: str) -> Mapping[int, set[tuple[str, str]]]:
    """Return what each row of a list shows."""
    found: dict[int, set[tuple[str, str]]] = defaultdict(set)
    for control, text in shown:
        if control.startswith(f"{name}/"):
            place, _, rest = control.removeprefix(f"{name}/").partition("/")
            row = to_number(place)
            if row is not None:
                found[row].add((rest, text))
    return found


def to_sent(text: str) -> str:
    """Return how a browser sends a text that a page shows, with line feeds alone."""
    return to_shown(text).replace("\r\n", "\n").replace("\r", "\n")


def list_names(one: Field, name: str, typed: Typed) -> Iterator[str]:
    """Yield the names of all controls of a field, also of branches that were not chosen."""
    match one:
        case Input() | Choice():
            yield name
        case Group():
            for key, member in one.members.items():
                yield from list_names(member, f"{name}/{escape_step(key)}", typed)
        case Rows():
            yield f"{name}~rows"
            for row in range(count_rows(one, name, typed)):
                yield from list_names(one.item, f"{name}/{row}", typed)
        case Union():
            yield f"{name}~choice"
            for number, branch in enumerate(one.branches):
                yield from list_names(branch, f"{name}~b{number}", typed)


def count_rows(rows: Rows, name: str, typed: Typed) -> int:
    """Return how many items of a list the form shows."""
    (text,) = typed.get(f"{name}~rows", ["0"])[:1]
    return min(to_number(text) or 0, rows.most)


def chosen_branch(union: Union, name: str, typed: Typed) -> int | None:
    """Return the number of the branch that was chosen; `None` if none was."""
    (text,) = typed.get(f"{name}~choice", [""])[:1]
    return next((one for one in range(len(union.branches)) if str(one) == text), None)


def chosen_options(choice: Choice, name: str, typed: Typed) -> list[int]:
    """Return the numbers of the options that were chosen."""
    numbers = [str(number) for number in range(len(choice.options))]
    texts = set(typed.get(name, []))
    return [int(number) for number in numbers if number in texts]


def is_needed(one: Field) -> bool:
    """Return whether a person must enter something."""
    return one.is_required or (one.default is not MISSING and not one.is_nullable)


def to_number(text: str) -> int | None:
    """Return a count or the place of a row in the name of a control; `None` if it is neither."""
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None
