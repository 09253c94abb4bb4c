"""Fill forms with values, and read what people submitted as JSON."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from ringback.domain.errors import Problem
from ringback.domain.exact_json import escape_step
from ringback.gateway.pages.form_input import EntryError, fill, read_input
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
    describe_pattern,
    to_shown,
)

Typed: TypeAlias = Mapping[str, Sequence[str]]
"""What was typed, by the names of controls."""

_ADD: Final = "~add"
_REMOVE: Final = "~remove"
_REFRESH: Final = "~refresh"
"""Names of buttons that change or show the form, and decide nothing."""

_MOST_DIGITS: Final = 5
"""Maximum digits of a number that a body may contain as the place of a row."""


@dataclass(frozen=True, slots=True)
class FormValues:
    """What was entered into a form.

    Attributes:
        typed: The texts of each control, by its name.
        draft: The JSON text of what can be read; `None` if nothing was entered.
        problems: What cannot be read, by JSON Pointers into the result.
        places: The fields that were read, by JSON Pointers into the result.
        is_submitted: Whether it was sent as an answer, and not to add or remove rows.
        focus: The name of the control where the person goes on.
    """

    typed: Typed = field(repr=False)
    draft: bytes | None = field(default=None, repr=False)
    problems: tuple[Problem, ...] = ()
    places: Mapping[str, Field] = field(default_factory=dict)
    is_submitted: bool = False
    focus: str = ""

    @property
    def body(self) -> bytes | None:
        """The JSON text of the result; `None` if a part cannot be read, or nothing was entered."""
        return None if self.problems else self.draft

    def all_problems(self, of_draft: Sequence[Problem]) -> list[Problem]:
        """Return what cannot be read, and the problems of the draft that are not due to that."""
        known = (one for one in of_draft if self._is_known(one.path))
        return [*self.problems, *map(self._reword, known)]

    def _reword(self, problem: Problem) -> Problem:
        """Say what a pattern wants in the words of its schema, if it has some."""
        place = self.places.get(problem.path)
        wanted = describe_pattern(place.bounds) if isinstance(place, Input) else None
        if wanted is None or "does not match" not in problem.message:
            return problem
        return Problem(problem.path, f"it does not have the right format: {wanted}")

    def _is_known(self, pointer: str) -> bool:
        """Return whether a problem of the draft is about something that a person entered."""
        for one in self.problems:
            if f"{pointer}/".startswith(f"{one.path}/") or one.path.startswith(f"{pointer}/"):
                return False
        nearest = pointer
        while nearest and nearest not in self.places:
            nearest = nearest.rpartition("/")[0]
        # Elsewhere, it is about another branch of a union than the one that was chosen.
        return nearest == pointer or isinstance(self.places.get(nearest), Input)


def initial_values(form: Form, value: Any = MISSING) -> FormValues:
    """Return a form with the defaults of its schema, or with `value`, which is JSON.

    Parts of `value` that have no field are left out.
    """
    typed: dict[str, list[str]] = {}
    for name, text, _ in fill(form.root, ROOT, value):
        typed.setdefault(name, []).append(text)
    return FormValues(typed)


def is_filled_in(form: Form, values: FormValues) -> bool:
    """Return whether somebody has changed what the form shows at first."""
    now, first = (
        {(name, _to_sent(text)) for name, texts in typed.items() for text in texts if text}
        for typed in (values.typed, initial_values(form).typed)
    )
    return any(name.startswith(ROOT) for name, _ in now ^ first)


def _to_sent(text: str) -> str:
    """Return how a browser sends a text that a page shows, with line feeds alone."""
    return to_shown(text).replace("\r\n", "\n").replace("\r", "\n")


def read_form(form: Form, pairs: Iterable[tuple[str, str]]) -> FormValues:
    """Read a form as JSON.

    Texts that cannot be read, and values that are missing, are problems. A valid result may still
    not meet the schema, which `ResultChecker.problems` checks. A text that nobody changed becomes
    the default that it shows, which may be written otherwise.
    """
    typed: dict[str, list[str]] = {}
    for name, text in pairs:
        typed.setdefault(name, []).append(text.replace("\r\n", "\n"))
    if not typed.keys().isdisjoint({_ADD, _REMOVE, _REFRESH}):
        return FormValues(typed, focus=_change_rows(typed))
    shown = {name: (_to_sent(text), value) for name, text, value in fill(form.root, ROOT, MISSING)}
    reader = _Reader(typed, shown)
    result = reader.read(form.root, ROOT, "")
    known = set(_names(form.root, ROOT, typed))
    unknown = next((name for name in typed if name not in known and name.startswith(ROOT)), None)
    if unknown is not None:
        reader.problems.append(Problem("", f"the form has no field {unknown}"))
    if result is None and not reader.problems:
        reader.problems.append(Problem("", "enter a value"))
    draft = None if result is None else result.encode("utf-8", "replace")
    problems = tuple(reader.problems)
    return FormValues(typed, draft, problems, reader.places, is_submitted=True)


def _names(one: Field, name: str, typed: Typed) -> Iterator[str]:
    """Yield the names of all controls of a field, also of branches that were not chosen."""
    match one:
        case Input() | Choice():
            yield name
        case Group():
            for key, member in one.members.items():
                yield from _names(member, f"{name}/{escape_step(key)}", typed)
        case Rows():
            yield f"{name}~rows"
            for row in range(count_rows(one, name, typed)):
                yield from _names(one.item, f"{name}/{row}", typed)
        case Union():
            yield f"{name}~choice"
            for number, branch in enumerate(one.branches):
                yield from _names(branch, f"{name}~b{number}", typed)


class _Reader:
    """Reads fields as JSON text, and collects problems."""

    def __init__(self, typed: Typed, shown: Mapping[str, tuple[str, Any]]) -> None:
        self._typed = typed
        self._shown = shown
        self.problems: list[Problem] = []
        self.places: dict[str, Field] = {}

    def read(self, one: Field, name: str, pointer: str) -> str | None:
        """Return the JSON text of a field; `None` if it is left out, or has a problem.

        Raises:
            TypeError: `one` is no field that this class knows.
        """
        self.places[pointer] = one
        match one:
            case Constant(value=value):
                return None if value is MISSING else json.dumps(value)
            case Input():
                return self._input(one, name, pointer)
            case Choice():
                return self._choice(one, name, pointer)
            case Group():
                return self._group(one, name, pointer)
            case Rows():
                return self._rows(one, name, pointer)
            case Union():
                return self._union(one, name, pointer)
            case _:
                msg = f"{type(one).__name__} is no kind of field"
                raise TypeError(msg)

    def _input(self, one: Input, name: str, pointer: str) -> str | None:
        (text,) = self._typed.get(name, [""])[:1]
        shown, value = self._shown.get(name, (None, MISSING))
        if _to_sent(text) == shown:
            return json.dumps(value)
        try:
            return read_input(one, text)
        except EntryError as exc:
            self._complain(pointer, str(exc))
            return None

    def _choice(self, one: Choice, name: str, pointer: str) -> str | None:
        chosen = [one.options[number].value for number in chosen_options(one, name, self._typed)]
        if one.is_many:
            return json.dumps(chosen) if chosen or one.is_required else None
        if not chosen:
            self._miss_choice(one, pointer)
            return None
        return None if chosen[0] is MISSING else json.dumps(chosen[0])

    def _group(self, one: Group, name: str, pointer: str) -> str:
        read = {
            key: self.read(member, f"{name}/{escape_step(key)}", f"{pointer}/{escape_step(key)}")
            for key, member in one.members.items()
        }
        said = [f"{json.dumps(key)}:{text}" for key, text in read.items() if text is not None]
        return "{" + ",".join(said) + "}"

    def _rows(self, one: Rows, name: str, pointer: str) -> str | None:
        count = count_rows(one, name, self._typed)
        if count == 0 and not one.is_required and one.default is MISSING:
            return None
        read = [self.read(one.item, f"{name}/{row}", f"{pointer}/{row}") for row in range(count)]
        return "[" + ",".join(text or "null" for text in read) + "]"

    def _union(self, one: Union, name: str, pointer: str) -> str | None:
        number = chosen_branch(one, name, self._typed)
        if number is None:
            self._miss_choice(one, pointer)
            return None
        return self.read(one.branches[number], f"{name}~b{number}", pointer)

    def _miss_choice(self, one: Field, pointer: str) -> None:
        if is_needed(one):
            self._complain(pointer, "choose one")

    def _complain(self, pointer: str, message: str) -> None:
        self.problems.append(Problem(pointer, message))


def count_rows(rows: Rows, name: str, typed: Typed) -> int:
    """Return how many items of a list the form shows."""
    (text,) = typed.get(f"{name}~rows", ["0"])[:1]
    return min(_to_number(text) or 0, rows.most)


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


def _change_rows(typed: dict[str, list[str]]) -> str:
    """Add or remove a row, as the pressed button says, and return the control where to go on."""
    for name in typed.pop(_ADD, [])[:1]:
        count = _count(typed, name)
        typed[f"{name}~rows"] = [str(count + 1)]
        return f"{name}/{count}"
    for row in typed.pop(_REMOVE, [])[:1]:
        name, _, place = row.rpartition("/")
        count, number = _count(typed, name), _to_number(place)
        if number is not None and number < count:
            _remove_row(typed, name, number)
            typed[f"{name}~rows"] = [str(count - 1)]
        return f"{name}~rows"
    return ""


def _count(typed: Typed, name: str) -> int:
    (text,) = typed.get(f"{name}~rows", ["0"])[:1]
    return _to_number(text) or 0


def _remove_row(typed: dict[str, list[str]], name: str, row: int) -> None:
    before = dict(typed)
    typed.clear()
    for key, texts in before.items():
        place, slash, rest = key.removeprefix(f"{name}/").partition("/")
        number = _to_number(place) if key.startswith(f"{name}/") else None
        if number is None:
            typed[key] = texts
        elif number != row:
            typed[f"{name}/{number - (number > row)}{slash}{rest}"] = texts


def _to_number(text: str) -> int | None:
    is_number = text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS
    return int(text) if is_number else None
