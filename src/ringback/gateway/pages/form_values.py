"""Fill forms with values, and read what people submitted as JSON."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from ringback.domain.errors import Problem
from ringback.domain.policy import Policy
from ringback.gateway.pages.form_fill import fill
from ringback.gateway.pages.form_model import MISSING, ROOT, Field, Form, Input, describe_pattern
from ringback.gateway.pages.form_reader import FormReader, list_names
from ringback.gateway.pages.form_rows import (
    PLACES,
    Typed,
    to_number,
    with_place_added,
    with_place_removed,
)

_ADD: Final = "~add"
_REMOVE: Final = "~remove"
_REFRESH: Final = "~refresh"
"""Names of buttons that change or show the form, and decide nothing."""


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


def needs_form(policy: Policy, form: Form) -> bool:
    """Return whether a yes needs the form: otherwise the page shows it filled in."""
    return policy.require_form or form.root.default is MISSING


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
    return FormReader(form, values.typed).is_changed


def read_form(form: Form, pairs: Iterable[tuple[str, str]]) -> FormValues:
    """Read a form as JSON.

    Texts that cannot be read, and values that are missing, are problems. A valid result may still
    not meet the schema, which `ResultChecker.problems` checks. A field that nobody changed has its
    value in the default of the schema, and stays absent if it was absent there.
    """
    typed: dict[str, list[str]] = {}
    for name, text in pairs:
        typed.setdefault(name, []).append(text.replace("\r\n", "\n"))
    if not typed.keys().isdisjoint({_ADD, _REMOVE, _REFRESH}):
        return FormValues(typed, focus=_change_rows(typed))
    reader = FormReader(form, typed)
    result = reader.read()
    known = set(list_names(form.root, ROOT, typed))
    unknown = next((name for name in typed if name not in known and name.startswith(ROOT)), None)
    if unknown is not None:
        reader.problems.append(Problem("", f"the form has no field {unknown}"))
    if result is None and not reader.problems:
        reader.problems.append(Problem("", "enter a value"))
    draft = None if result is None else result.encode("utf-8", "replace")
    problems = tuple(reader.problems)
    return FormValues(typed, draft, problems, reader.places, is_submitted=True)


def _change_rows(typed: dict[str, list[str]]) -> str:
    """Add or remove a row, as the pressed button says, and return the control where to go on."""
    for name in typed.pop(_ADD, [])[:1]:
        count = _count(typed, name)
        typed[f"{name}~rows"] = [str(count + 1)]
        for text in typed.pop(f"{name}{PLACES}", []):
            typed[f"{name}{PLACES}"] = [with_place_added(text, count)]
        return f"{name}/{count}"
    for row in typed.pop(_REMOVE, [])[:1]:
        name, _, place = row.rpartition("/")
        count, number = _count(typed, name), to_number(place)
        if number is not None and number < count:
            _remove_row(typed, name, number)
            typed[f"{name}~rows"] = [str(count - 1)]
            for text in typed.pop(f"{name}{PLACES}", []):
                typed[f"{name}{PLACES}"] = [with_place_removed(text, number)]
        return f"{name}~rows"
    return ""


def _count(typed: Typed, name: str) -> int:
    (text,) = typed.get(f"{name}~rows", ["0"])[:1]
    return to_number(text) or 0


def _remove_row(typed: dict[str, list[str]], name: str, row: int) -> None:
    before = dict(typed)
    typed.clear()
    for key, texts in before.items():
        place, slash, rest = key.removeprefix(f"{name}/").partition("/")
        number = to_number(place) if key.startswith(f"{name}/") else None
        if number is None:
            typed[key] = texts
        elif number != row:
            typed[f"{name}/{number - (number > row)}{slash}{rest}"] = texts
