"""Read what was entered into the fields of a form as JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

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
from ringback.gateway.pages.form_rows import PLACES, RowPlaces, Typed, count_rows, list_parts

_UNKNOWN: Final = object()
"""The first value of a field in an object that the schema gives no default."""


class FormReader:
    """Reads fields as JSON text, and collects problems.

    A field that shows what it showed first keeps its first value exactly, and stays absent if it
    was absent from the default of the object around it.
    """

    def __init__(self, form: Form, typed: Typed) -> None:
        """Read `typed`, which was entered into `form`."""
        self._root = form.root
        self._rows_were = RowPlaces(typed)
        self._typed = typed = {self._rows_were.to_first(name): typed[name] for name in typed}
        filled = list(fill(form.root, ROOT, MISSING))
        now = _list_shown((name, text) for name, texts in typed.items() for text in texts)
        first = _list_shown((name, text) for name, text, _ in filled)
        self._changed = {part for name, _ in now ^ first for part in list_parts(name)}
        self._shown = {part for name, _, _ in filled for part in list_parts(name)}
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
        shown = known[: one.most]
        if count != len(shown) and not self._rows_were.is_known(name):
            shown = []
        read: list[str | None] = []
        for row in range(count):
            place = self._rows_were.find(name, row)
            was = shown[place] if place < len(shown) else _UNKNOWN
            read.append(self._read(one.item, f"{name}/{place}", f"{pointer}/{row}", first=was))
        read += [json.dumps(item) for item in known[one.most :]]
        return "[" + ",".join(text or "null" for text in read) + "]"

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


def _list_shown(controls: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return what `controls` show, as a browser sends it; the places of rows are not shown."""
    return {(name, to_sent(text)) for name, text in controls if text and not name.endswith(PLACES)}


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
            yield f"{name}{PLACES}"
            for row in range(count_rows(one, name, typed)):
                yield from list_names(one.item, f"{name}/{row}", typed)
        case Union():
            yield f"{name}~choice"
            for number, branch in enumerate(one.branches):
                yield from list_names(branch, f"{name}~b{number}", typed)


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
