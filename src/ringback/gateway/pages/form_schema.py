"""Build a form from a JSON Schema."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from ringback.gateway.pages.form_model import (
    MISSING,
    Choice,
    Constant,
    Control,
    Field,
    Form,
    Group,
    Input,
    Option,
    Rows,
    Union,
    branch_label,
    describe_bounds,
    to_label,
    to_text,
)
from ringback.gateway.pages.form_zones import set_zones
from ringback.gateway.pages.plain_schema import NotPlainError, PlainSchema, SchemaReader

MOST_PARTS: Final = 1000
"""Maximum fields and options of a form; a schema with more becomes one JSON field."""

MOST_DEPTH: Final = 6
"""Maximum nested fields; what is deeper becomes a JSON field."""

MOST_ROWS: Final = 100
"""Maximum items of a list in a form; a list that must have more becomes a JSON field."""

_ROWS_WEIGHT: Final = 20
"""Parts that each part of a row counts for, so that all rows of a form have at most 5000."""

_LONG: Final = 200
"""Texts that may be longer get more than one line."""

_FORMATS: Final = {
    "email": Control.EMAIL,
    "idn-email": Control.EMAIL,
    "uri": Control.URL,
    "iri": Control.URL,
    "date": Control.DATE,
    "date-time": Control.DATE_TIME,
    "date-time-local": Control.LOCAL_DATE_TIME,
    "time": Control.TIME,
    "time-local": Control.LOCAL_TIME,
    "textarea": Control.LONG_TEXT,
    "multiline": Control.LONG_TEXT,
}

_NUMBERS: Final = {"integer": Control.INTEGER, "number": Control.NUMBER, "decimal": Control.DECIMAL}
_BOOLEANS: Final = (Option("Yes", True), Option("No", False))  # noqa: FBT003 - values of JSON


class _TooLargeError(Exception):
    """The form would have more than `MOST_PARTS` parts."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the form a field is.

    Attributes:
        label: Its label, unless the schema has a title.
        is_required: Whether the result must contain it.
        depth: How many more levels it may have.
        is_branch: Whether it is one kind of value of a union.
        is_tag: Whether it is a member of a branch, which its constants tell from the others.
    """

    label: str
    is_required: bool = True
    depth: int = MOST_DEPTH
    is_branch: bool = False
    is_tag: bool = False


def to_form(schema: Any) -> Form:
    """Return the form of a JSON Schema (2020-12).

    Every schema has one: what has no control of its own becomes a field for JSON text.
    """
    try:
        return Form(set_zones(_Builder(schema).build(schema, _Place("Your answer")), [MISSING]))
    except (_TooLargeError, RecursionError):
        return Form(_to_json_field(schema, _Place("Your answer")))


class _Builder:
    """Builds the fields of one schema."""

    def __init__(self, root: Any) -> None:
        self._reader = SchemaReader(root)
        self._parts = 0

    def build(self, schema: Any, place: _Place, seen: frozenset[str] = frozenset()) -> Field:
        """Return the field of `schema`; `seen` has the references that led here."""
        self._count(1)
        try:
            plain = self._reader.read(schema, seen)
            found = self._build(plain, place)
        except NotPlainError:
            return _to_json_field(schema, place)
        return replace(
            found,
            # The title of a definition is the name of a class: it names a kind of value.
            label=_label(plain.keywords if place.is_branch else schema, place),
            description=_text_of(plain.keywords, "description"),
            is_required=place.is_required,
            is_nullable=plain.is_nullable,
            default=plain.keywords.get("default", MISSING),
        )

    def _count(self, parts: int) -> None:
        self._parts += parts
        if self._parts > MOST_PARTS:
            raise _TooLargeError

    def _build(self, plain: PlainSchema, place: _Place) -> Field:
        """Return the field of `plain`, without what all fields have.

        Raises:
            NotPlainError: It has no control of its own.
        """
        if plain.options is not None:
            return self._choose(plain, place)
        if plain.branches is not None:
            return self._to_union(plain, place)
        match plain.type:
            case "boolean":
                return self._with_no_value(_BOOLEANS, plain, place)
            case "integer" | "number" | "decimal" | "string":
                return _to_input(plain, place)
            case "object":
                return self._to_optional(self._to_group(plain, place), plain, place)
            case "array":
                rows = self._to_list(plain, place)
                return self._to_optional(rows, plain, place) if plain.is_nullable else rows
        raise NotPlainError

    def _choose(self, plain: PlainSchema, place: _Place) -> Field:
        options = plain.options
        if not options:
            # An empty enum accepts nothing.
            raise NotPlainError
        is_consent = not (place.is_tag or place.is_branch) and isinstance(options[0].value, bool)
        if len(options) == 1 and not plain.is_nullable and not is_consent:
            return Constant(label=place.label, value=options[0].value)
        return self._with_no_value(options, plain, place)

    def _with_no_value(
        self, options: tuple[Option, ...], plain: PlainSchema, place: _Place
    ) -> Choice:
        self._count(len(options))
        if plain.is_nullable or (not place.is_required and "default" not in plain.keywords):
            options += (_no_value(plain),)
        return Choice(label=place.label, options=options)

    def _to_union(self, plain: PlainSchema, place: _Place) -> Union:
        branches: list[Field] = []
        for number, branch in enumerate(plain.branches or (), 1):
            inner = _Place(f"Choice {number}", depth=_deeper(place), is_branch=True)
            built = self.build(branch, inner, plain.seen)
            if built.label == inner.label:
                built = replace(built, label=branch_label(built))
            branches.append(built)
        if plain.is_nullable or not place.is_required:
            branches.append(_no_value_branch(plain))
        return Union(label=place.label, branches=tuple(branches))

    def _to_optional(self, field: Field, plain: PlainSchema, place: _Place) -> Field:
        if place.is_required and not plain.is_nullable:
            return field
        given = replace(
            field, label="Enter a value", default=plain.keywords.get("default", MISSING)
        )
        return Union(label=place.label, branches=(given, _no_value_branch(plain)))

    def _to_group(self, plain: PlainSchema, place: _Place) -> Group:
        properties, required = plain.properties, plain.required
        if not properties or not required <= properties.keys():
            raise NotPlainError
        if not all(name.isprintable() for name in properties):
            raise NotPlainError
        members = {}
        for name, schema in properties.items():
            inner = _Place(to_label(name), name in required, _deeper(place), is_tag=place.is_branch)
            members[name] = self.build(schema, inner, plain.seen)
        is_open = plain.keywords.get("additionalProperties", False) is not False
        return Group(label=place.label, members=members, is_open=is_open)

    def _to_list(self, plain: PlainSchema, place: _Place) -> Field:
        least = plain.keywords.get("minItems", 0)
        most = min(plain.keywords.get("maxItems", MOST_ROWS), MOST_ROWS)
        default = plain.keywords.get("default")
        if least > most or (isinstance(default, list) and len(default) > most):
            raise NotPlainError
        before = self._parts
        inner = _Place("Item", depth=_deeper(place))
        item = self.build(plain.keywords.get("items", {}), inner, plain.seen)
        if isinstance(item, Choice) and not item.is_nullable and not _is_boolean(item):
            return Choice(label=place.label, options=item.options, is_many=True)
        if not _is_flat(item):
            raise NotPlainError
        self._count((self._parts - before) * _ROWS_WEIGHT)
        return Rows(label=place.label, item=item, least=int(least), most=int(most))


def _to_input(plain: PlainSchema, place: _Place) -> Input:
    keywords = plain.keywords
    by_format = _FORMATS.get(str(keywords.get("format")), Control.TEXT)
    control = _NUMBERS.get(str(plain.type), by_format)
    if control is Control.TEXT and _is_long(keywords):
        control = Control.LONG_TEXT
    return Input(
        label=place.label,
        control=control,
        hint=describe_bounds(control, keywords),
        bounds=keywords,
        offset_is_optional=plain.offset_is_optional,
    )


def _to_json_field(schema: Any, place: _Place) -> Input:
    keywords = schema if isinstance(schema, Mapping) else {}
    return Input(
        label=_label(keywords, place),
        description=_text_of(keywords, "description"),
        is_required=place.is_required,
        default=keywords.get("default", MISSING),
        control=Control.JSON,
        hint="as JSON",
        schema=to_text(schema, indent=2),
    )


def _is_long(keywords: Mapping[str, Any]) -> bool:
    default = keywords.get("default")
    return keywords.get("maxLength", 0) > _LONG or (isinstance(default, str) and "\n" in default)


def _is_boolean(choice: Choice) -> bool:
    return all(isinstance(option.value, bool) for option in choice.options)


def _is_flat(item: Field) -> bool:
    inner = item.members.values() if isinstance(item, Group) else [item]
    return all(
        one.control is not Control.JSON
        if isinstance(one, Input)
        else isinstance(one, Choice | Constant)
        for one in inner
    )


def _no_value(plain: PlainSchema) -> Option:
    return Option("No value", None if plain.is_nullable else MISSING)


def _no_value_branch(plain: PlainSchema) -> Constant:
    return Constant(label="No value", value=_no_value(plain).value)


def _label(keywords: Mapping[str, Any], place: _Place) -> str:
    title = to_label(_text_of(keywords, "title"))
    # pydantic's own titles have capitals: `Cost Centre`.
    return place.label if not title or title.lower() == place.label.lower() else title


def _text_of(keywords: Mapping[str, Any], name: str) -> str:
    found = keywords.get(name)
    return found if isinstance(found, str) else ""


def _deeper(place: _Place) -> int:
    if place.depth == 0:
        raise NotPlainError
    return place.depth - 1
