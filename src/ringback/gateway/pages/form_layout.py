"""Lay out a form for its template: what each control shows, and each problem at its field."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ringback.domain.errors import Problem
from ringback.domain.exact_json import escape_step
from ringback.gateway.pages.form_model import (
    MISSING,
    ROOT,
    Choice,
    Constant,
    Control,
    Field,
    Form,
    Group,
    Input,
    Rows,
    Union,
    to_text,
)
from ringback.gateway.pages.form_reader import (
    chosen_branch,
    chosen_options,
    is_needed,
)
from ringback.gateway.pages.form_rows import count_rows, show_places
from ringback.gateway.pages.form_values import FormValues

MOST_RADIOS: Final = 8
"""A choice of more options is a list to open."""

_TYPES: Final = {
    Control.EMAIL: {"type": "email", "autocomplete": "off"},
    Control.URL: {"type": "url"},
    Control.DATE: {"type": "date"},
    Control.DATE_TIME: {"type": "datetime-local", "step": "any"},
    Control.LOCAL_DATE_TIME: {"type": "datetime-local", "step": "any"},
    Control.TIME: {"type": "time", "step": "any"},
    Control.LOCAL_TIME: {"type": "time", "step": "any"},
}


@dataclass(slots=True)
class ShownOption:
    """One option of a choice, or one branch of a union.

    Attributes:
        id: The id of its control.
        value: What its control sends.
        label: Its text.
        is_chosen: Whether it is chosen.
        inside: The fields of a branch.
    """

    id: str
    value: str
    label: str
    is_chosen: bool
    inside: "ShownField | None" = None


@dataclass(slots=True, kw_only=True)
class ShownField:
    """One field as the template shows it.

    Attributes:
        kind: The macro that shows it.
        id: The id of its first control.
        name: The name of its control.
        label: Its text.
        description: More about it.
        hint: Bounds and formats.
        is_required: Whether something must be entered.
        text: What was typed.
        places: The first places of the rows of a list.
        attributes: More attributes of its control.
        schema: The JSON Schema of a JSON field.
        options: What to choose from.
        children: The fields in it.
        problems: What is wrong with what was entered.
        has_focus: Whether the person goes on here.
    """

    kind: str
    id: str
    name: str
    label: str
    description: str = ""
    hint: str = ""
    is_required: bool = False
    text: str = ""
    places: str = ""
    attributes: dict[str, str] = field(default_factory=dict)
    schema: str = ""
    options: list[ShownOption] = field(default_factory=list)
    children: list["ShownField"] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    has_focus: bool = False

    @property
    def notes(self) -> list[str]:
        """The ids of the texts that describe the control."""
        said = {"about": self.description, "hint": self.hint, "problem": self.problems}
        return [f"{self.id}-{name}" for name, text in said.items() if text]


@dataclass(slots=True)
class Layout:
    """A form as the template shows it.

    Attributes:
        root: The outermost field.
        fields: All fields on which a problem can be, in their order.
        problems: Problems that belong to no field.
    """

    root: ShownField
    fields: list[ShownField]
    problems: list[str]


def lay_out(form: Form, values: FormValues, problems: Sequence[Problem] = ()) -> Layout:
    """Return `form` with what was typed, and each problem at the nearest field around its place."""
    layouter = _Layouter(values)
    root = layouter.show(form.root, ROOT, "")
    unplaced: list[str] = []
    for problem in dict.fromkeys(problems):
        found = layouter.find(problem.path)
        if found is None:
            unplaced.append(problem.message)
        else:
            found.problems.append(problem.message)
    return Layout(root, layouter.fields, unplaced)


class _Layouter:
    def __init__(self, values: FormValues) -> None:
        self._values = values
        self._count = 0
        self._by_pointer: dict[str, ShownField] = {}
        self._needs_focus = bool(values.focus)
        self.fields: list[ShownField] = []

    def find(self, pointer: str) -> ShownField | None:
        """Return the field at a JSON Pointer, or the nearest around it."""
        while pointer not in self._by_pointer:
            pointer, slash, _ = pointer.rpartition("/")
            if not slash:
                return None
        return self._by_pointer[pointer]

    def show(
        self, one: Field, name: str, pointer: str | None, *, is_inside: bool = False
    ) -> ShownField:
        """Return a field with those in it.

        `pointer` is `None` in a branch that was not chosen, which no problem is about. `is_inside`
        marks a branch, whose union already has the problems.
        """
        shown = ShownField(
            kind="constant",
            id=self._new_id(),
            name=name,
            label=one.label,
            description=one.description,
            is_required=is_needed(one) and not one.is_nullable,
        )
        is_place = pointer is not None and not (is_inside and isinstance(one, Group | Constant))
        if is_place and not (pointer == "" and isinstance(one, Group)):
            self._by_pointer[pointer or ""] = shown
            self.fields.append(shown)
        match one:
            case Constant(value=value):
                shown.text = "" if value is MISSING else to_text(value)
            case Input():
                self._show_input(shown, one)
            case Choice():
                self._show_choice(shown, one)
            case Group():
                shown.kind = "group"
                for key, member in one.members.items():
                    inner = None if pointer is None else f"{pointer}/{escape_step(key)}"
                    shown.children.append(self.show(member, f"{name}/{escape_step(key)}", inner))
            case Rows():
                self._show_rows(shown, one, pointer)
            case Union():
                self._show_union(shown, one, pointer)
        return shown

    def _new_id(self) -> str:
        self._count += 1
        return f"field-{self._count}"

    def _focus(self, shown: ShownField) -> None:
        focus = self._values.focus
        if self._needs_focus and (shown.name == focus or shown.name.startswith(f"{focus}/")):
            shown.has_focus, self._needs_focus = True, False

    def _show_input(self, shown: ShownField, one: Input) -> None:
        (shown.text,) = self._values.typed.get(shown.name, [""])[:1]
        is_long = one.control in {Control.LONG_TEXT, Control.JSON}
        # A browser removes line breaks from an input.
        is_long |= one.control is Control.TEXT and not {"\r", "\n"}.isdisjoint(shown.text)
        shown.kind = "json" if one.control is Control.JSON else "textarea" if is_long else "input"
        shown.hint, shown.schema = one.hint, one.schema
        shown.attributes = _attributes(one)
        self._focus(shown)

    def _show_choice(self, shown: ShownField, one: Choice) -> None:
        is_long = len(one.options) > MOST_RADIOS and not one.is_many
        shown.kind = "checkboxes" if one.is_many else "select" if is_long else "radios"
        chosen = chosen_options(one, shown.name, self._values.typed)
        for number, option in enumerate(one.options):
            is_chosen = number in chosen and (one.is_many or number == chosen[0])
            shown.options.append(
                ShownOption(f"{shown.id}-{number}", str(number), option.label, is_chosen)
            )
        if not is_long:
            shown.id = shown.options[0].id
        self._focus(shown)

    def _show_rows(self, shown: ShownField, one: Rows, pointer: str | None) -> None:
        shown.kind = "rows"
        count = count_rows(one, shown.name, self._values.typed)
        shown.text = str(count)
        shown.places = show_places(shown.name, self._values.typed)
        shown.attributes = {"full": "full"} if count >= one.most else {}
        for row in range(count):
            inner = None if pointer is None else f"{pointer}/{row}"
            item = self.show(one.item, f"{shown.name}/{row}", inner)
            item.label = f"{shown.label} {row + 1}"
            shown.children.append(item)
        if self._values.focus == f"{shown.name}~rows":
            shown.has_focus = True

    def _show_union(self, shown: ShownField, one: Union, pointer: str | None) -> None:
        shown.kind = "union"
        chosen = chosen_branch(one, shown.name, self._values.typed)
        for number, branch in enumerate(one.branches):
            inner = pointer if number == chosen else None
            inside = self.show(branch, f"{shown.name}~b{number}", inner, is_inside=True)
            shown.options.append(
                ShownOption(
                    f"{shown.id}-{number}", str(number), branch.label, number == chosen, inside
                )
            )
        shown.id = shown.options[0].id


def _attributes(one: Input) -> dict[str, str]:
    if one.control in {Control.INTEGER, Control.NUMBER, Control.DECIMAL}:
        least = one.bounds.get("minimum", one.bounds.get("exclusiveMinimum", -1))
        whole = "numeric" if one.control is Control.INTEGER else "decimal"
        # The keyboards of some phones for numbers have no minus.
        return {"type": "text", "inputmode": whole if least >= 0 else "text", "dir": "ltr"}
    return dict(_TYPES.get(one.control, {"type": "text", "dir": "auto"}))
