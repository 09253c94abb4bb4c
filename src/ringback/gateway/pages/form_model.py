"""Forms that people fill in, built from a JSON Schema without scripts.

How a page uses them:

    form = to_form(json.loads(schema))              # ringback.gateway.pages.form_schema
    values = initial_values(form)                   # GET; ringback.gateway.pages.form_values
    values = read_form(form, pairs)     # POST
    if not values.is_submitted:                     # rows were added or removed, or Enter pressed
        ...show the page again, with status 200
    problems = values.problems or await checker.problems(schema, values.body)
    if problems:
        ...show the page again with `problems`, with status 422
    ...values.body is the JSON to accept

In a template, inside the page's own `<form method="post" novalidate>`:

    {% from "form.html" import render_problems, render_form %}
    {{ render_problems(form, values, problems) }}
    {{ render_form(form, values, problems) }}

`render_form` shows what was typed and each problem at its field. Its first button is invisible and
only shows the page again: the Enter key presses the first button of a form, which must not decide.
The names of all its controls start with `form` or `~`; the page's own controls have other names.
Problems are `ringback.domain.errors.Problem`, whose paths are JSON Pointers into the result.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

ROOT: Final = "form"
"""The name of the outermost control; names of the others start with it."""


class Missing(Enum):
    """The absence of a value, since `None` is JSON's null."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


class Control(Enum):
    """What one text is entered with, and how it becomes JSON."""

    TEXT = "text"
    LONG_TEXT = "long text"
    EMAIL = "email"
    URL = "url"
    DATE = "date"
    DATE_TIME = "date and time in UTC"
    LOCAL_DATE_TIME = "date and time without a zone"
    TIME = "time in UTC"
    LOCAL_TIME = "time without a zone"
    INTEGER = "whole number"
    NUMBER = "number"
    DECIMAL = "decimal number"
    JSON = "JSON"


NUMBERS: Final = frozenset({Control.INTEGER, Control.NUMBER, Control.DECIMAL})


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One value of a form.

    Attributes:
        label: Its name for people.
        description: What its schema says about it.
        is_required: Whether the result must contain it.
        is_nullable: Whether null is a value of it.
        default: The value that it starts with, as JSON.
    """

    label: str
    description: str = ""
    is_required: bool = True
    is_nullable: bool = False
    default: Any = MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Field):
    """A value that is entered as one text.

    Attributes:
        control: What it is entered with.
        hint: Bounds and formats, for people.
        bounds: The keywords of its schema that bound a number.
        schema: Its schema as text, for a JSON field.
        offset_is_optional: Whether a time may have a UTC offset or none.
    """

    control: Control
    hint: str = ""
    bounds: Mapping[str, Any] = field(default_factory=dict)
    schema: str = ""
    offset_is_optional: bool = False


@dataclass(frozen=True, slots=True)
class Option:
    """One of the values to choose from.

    Attributes:
        label: Its name for people.
        value: The value as JSON; `MISSING` leaves the field out.
    """

    label: str
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Field):
    """A value, or a list of values, out of a fixed list.

    Attributes:
        options: What to choose from.
        is_many: Whether the value is a list of any of them.
    """

    options: tuple[Option, ...]
    is_many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Constant(Field):
    """The only possible value."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Field):
    """An object whose members have their own fields.

    Attributes:
        members: Their fields, by their names.
        is_open: Whether its schema says that it may have members without a field.
    """

    members: Mapping[str, Field]
    is_open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows(Field):
    """A list of single values or of flat objects.

    Attributes:
        item: The field of each item.
        least: Minimum items.
        most: Maximum items in a form.
    """

    item: Field
    least: int
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Union(Field):
    """A value of one of several kinds, or no value.

    Attributes:
        branches: The field of each kind; that of no value is a `Constant`.
    """

    branches: tuple[Field, ...]


@dataclass(frozen=True, slots=True)
class Form:
    """What a person fills in.

    Attributes:
        root: The field of the whole result.
    """

    root: Field


_WORD: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[_\s]+")

_HINTS: Final = {
    Control.DATE_TIME: "in UTC",
    Control.LOCAL_DATE_TIME: "without a time zone",
    Control.TIME: "in UTC",
    Control.LOCAL_TIME: "without a time zone",
    Control.URL: "such as https://example.com/",
}

_FORMAT_HINTS: Final = {
    "duration": "an ISO 8601 duration, such as PT1H30M or P2D",
    "uuid": "a UUID, such as 12345678-1234-4678-9234-567812345678",
    "base64": "in Base64",
}

_BOUNDS: Final = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "pattern": "matching {}",
}


def to_label(name: str) -> str:
    """Return the name of a property or a type for people: `cost_centre` becomes `Cost centre`.

    Words that somebody wrote stay as they are, except that the first begins with a capital.
    """
    if " " in name.strip():
        return name[:1].upper() + name[1:] if name.split(maxsplit=1)[0].islower() else name
    words = [word for word in _WORD.split(name) if word]
    plain = " ".join([*words[:1], *(_lower(word) for word in words[1:])])
    return plain[:1].upper() + plain[1:]


def branch_label(built: Field) -> str:
    """Return the name of a branch without a title."""
    match built:
        case Group(members=members):
            tags = [one.value for one in members.values() if isinstance(one, Constant)]
            return (
                to_label(to_text(tags[0]))
                if tags
                else ", ".join(one.label for one in members.values())
            )
        case Input(control=control):
            return to_label(control.value)
        case Constant(value=value):
            return to_text(value)
        case Rows() | Choice(is_many=True):
            return "List"
        case _:
            return "Choice"


def to_text(value: Any, *, indent: int | None = None) -> str:
    """Return a JSON value as people read and type it: a string as it is, the rest as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=indent)


def to_shown(text: str) -> str:
    """Return `text` with U+FFFD for what HTML cannot contain: U+0000 and lone surrogates."""
    return (
        text.replace("\0", "\ufffd").encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    )


def describe_bounds(control: Control, keywords: Mapping[str, Any]) -> str:
    """Return the bounds of a value for people; empty without any."""
    hints = [_HINTS[control]] if control in _HINTS else []
    hints += [_FORMAT_HINTS[one] for one in [keywords.get("format")] if one in _FORMAT_HINTS]
    if control is Control.INTEGER:
        hints.append("a whole number")
    is_number = control in NUMBERS
    told = describe_pattern(keywords)
    for keyword, text in _BOUNDS.items():
        if keyword == "pattern" and told is not None:
            hints += [told] if told.startswith("such as") else []
            continue
        is_about_text = keyword in {"minLength", "maxLength", "pattern"}
        if keyword in keywords and is_about_text is not is_number:
            hints.append(text.format(to_text(keywords[keyword])))
    return ", ".join(hints)


def describe_pattern(keywords: Mapping[str, Any]) -> str | None:
    """Return what a pattern wants, by the examples or the description; `None` without them."""
    examples, description = keywords.get("examples"), keywords.get("description")
    if "pattern" not in keywords:
        return None
    if isinstance(examples, list) and examples and isinstance(examples[0], str):
        return f"such as {examples[0]}"
    return description if isinstance(description, str) and description else None


def _lower(word: str) -> str:
    # Abbreviations such as IBAN stay as they are.
    return word if word.isupper() and len(word) > 1 else word.lower()
