"""Read one JSON Schema as what a form needs to know, however it is written."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ringback.domain.exact_json import resolve
from ringback.gateway.pages.form_model import Option, to_text

_MOST_STEPS: Final = 100
"""Maximum references and combinations of one schema."""

_NOTES: Final = frozenset({"title", "description", "default", "examples", "$comment", "deprecated"})
_NULLS: Final[Sequence[Any]] = ({"type": "null"}, {"const": None}, {"enum": [None]})

_NOT_PLAIN: Final = frozenset({
    *("$dynamicRef", "$id", "if", "then", "else", "dependentSchemas", "patternProperties"),
    *("unevaluatedProperties", "unevaluatedItems", "contains", "prefixItems", "propertyNames"),
})
"""Keywords that objects and lists without a JSON field do not have."""


class NotPlainError(Exception):
    """A schema is too complex for a control of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainSchema:
    """A schema without references, null and other alternatives.

    Attributes:
        keywords: Its keywords.
        type: The type of its values besides null, or `decimal` for a number that may be sent as
            text; `None` if `options` or `branches` say it.
        is_nullable: Whether null is valid.
        options: The valid values besides null, if they are listed.
        branches: The schemas of different kinds of values.
        seen: The references that led here.
        offset_is_optional: Whether a time may have a UTC offset or none.
    """

    keywords: Mapping[str, Any]
    type: str | None = None
    is_nullable: bool = False
    options: tuple[Option, ...] | None = None
    branches: tuple[Any, ...] | None = None
    seen: frozenset[str]
    offset_is_optional: bool = False

    @property
    def properties(self) -> Mapping[str, Any]:
        """The schemas of an object's members."""
        found = self.keywords.get("properties", {})
        return found if isinstance(found, Mapping) else {}

    @property
    def required(self) -> frozenset[str]:
        """The names of members that an object must have."""
        return frozenset(self.keywords.get("required", ()))


class SchemaReader:
    """Reads parts of one schema."""

    def __init__(self, root: Any) -> None:
        """Resolve references in `root`."""
        self._root = root

    def read(self, schema: Any, seen: frozenset[str]) -> PlainSchema:
        """Return `schema`, which the references `seen` led to.

        Raises:
            NotPlainError: It has no control of its own, or refers to itself.
        """
        is_nullable = False
        for _ in range(_MOST_STEPS):
            schema, seen = self._flatten(schema, seen)
            choices = _choices_of(schema)
            if choices is None:
                return self._read_simple(schema, seen, is_nullable=is_nullable)
            keyword, listed = choices
            others = [one for one in listed if one not in _NULLS]
            is_nullable |= len(others) < len(listed)
            rest = {name: value for name, value in schema.items() if name != keyword}
            if len(others) != 1:
                return self._read_choices(rest, others, seen, is_nullable=is_nullable)
            schema = _merge(others[0], rest)
        raise NotPlainError

    def _flatten(
        self, schema: Any, seen: frozenset[str]
    ) -> tuple[Mapping[str, Any], frozenset[str]]:
        """Replace the references of `schema`, and merge what it combines.

        Raises:
            NotPlainError: That is impossible.
        """
        for _ in range(_MOST_STEPS):
            if not isinstance(schema, Mapping):
                raise NotPlainError
            if "$ref" in schema:
                reference = schema["$ref"]
                target = resolve(self._root, reference) if isinstance(reference, str) else None
                if target is None or reference in seen:
                    raise NotPlainError
                seen |= {reference}
                schema = _merge(target, _without(schema, "$ref"))
            elif schema.get("allOf"):
                rest = _without(schema, "allOf")
                for part in schema["allOf"]:
                    flat, seen = self._flatten(part, seen)
                    rest = _merge(flat, rest)
                schema = rest
            else:
                return schema, seen
        raise NotPlainError

    def _try_to_flatten(self, schema: Any, seen: frozenset[str]) -> Mapping[str, Any]:
        try:
            return self._flatten(schema, seen)[0]
        except NotPlainError:
            return {}

    def _read_simple(
        self, schema: Mapping[str, Any], seen: frozenset[str], *, is_nullable: bool
    ) -> PlainSchema:
        listed = _listed(schema)
        if listed is not None:
            values = [one for one in listed if one is not None] or listed
            options = tuple(Option(_option_label(value), value) for value in values)
            is_nullable |= len(values) < len(listed)
            return PlainSchema(keywords=schema, options=options, seen=seen, is_nullable=is_nullable)
        kind = schema.get("type", _guess_type(schema))
        if kind == "null":
            null = (Option("No value", None),)
            return PlainSchema(keywords=schema, options=null, seen=seen)
        if not isinstance(kind, str) or (
            kind in {"object", "array"} and not _NOT_PLAIN.isdisjoint(schema)
        ):
            raise NotPlainError
        return PlainSchema(keywords=schema, type=kind, is_nullable=is_nullable, seen=seen)

    def _read_choices(
        self,
        rest: Mapping[str, Any],
        choices: Sequence[Any],
        seen: frozenset[str],
        *,
        is_nullable: bool,
    ) -> PlainSchema:
        flat = [self._try_to_flatten(one, seen) for one in choices]
        decimal = _to_decimal(flat)
        if decimal is not None:
            return PlainSchema(
                keywords=_merge(decimal, rest), type="decimal", is_nullable=is_nullable, seen=seen
            )
        if rest.get("type") == "string" and all("type" not in one for one in flat):
            shared = _shared_format(flat)
            return PlainSchema(
                keywords={**shared, **rest},
                type="string",
                is_nullable=is_nullable,
                seen=seen,
                offset_is_optional=len(flat) > 1 and "format" in shared,
            )
        options = [option for one in flat for option in _to_options(one)]
        if all(_listed(one) is not None for one in flat):
            return PlainSchema(
                keywords=rest, options=tuple(options), is_nullable=is_nullable, seen=seen
            )
        common = _without(rest, *_NOTES, "discriminator")
        branches = tuple(_merge_branch(one, common) for one in choices)
        return PlainSchema(keywords=rest, branches=branches, is_nullable=is_nullable, seen=seen)


def _choices_of(schema: Mapping[str, Any]) -> tuple[str, Sequence[Any]] | None:
    """Return the keyword of alternatives in `schema`, and these."""
    for keyword in ("anyOf", "oneOf"):
        if isinstance(schema.get(keyword), Sequence) and schema[keyword]:
            return keyword, schema[keyword]
    types = schema.get("type")
    if isinstance(types, Sequence) and not isinstance(types, str) and _listed(schema) is None:
        return "type", [{"type": one} for one in types]
    return None


def _listed(schema: Mapping[str, Any]) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    found = schema.get("enum")
    return list(found) if isinstance(found, Sequence) and found else None


def _to_options(schema: Mapping[str, Any]) -> Iterator[Option]:
    listed = _listed(schema) or []
    for value in listed:
        title = schema.get("title") if len(listed) == 1 else None
        yield Option(title if isinstance(title, str) else _option_label(value), value)


def _option_label(value: Any) -> str:
    match value:
        case None:
            return "No value"
        case bool():
            return "Yes" if value else "No"
        case _:
            return to_text(value)


def _to_decimal(choices: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """Return the schema of the number in the usual schema of a decimal number."""
    by_type = {one["type"]: one for one in choices if isinstance(one.get("type"), str)}
    if len(choices) != len(by_type) or by_type.keys() != {"number", "string"}:
        return None
    text = by_type["string"]
    if _listed(text) is not None or "format" in text:
        return None
    return by_type["number"]


def _shared_format(choices: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return the format of texts that may have a UTC offset or not: the one with an offset."""
    formats = sorted(str(one.get("format")) for one in choices)
    is_shared = len({one.removesuffix("-local") for one in formats}) == 1
    return {"format": formats[0]} if is_shared else {}


def _guess_type(schema: Mapping[str, Any]) -> str | None:
    if "properties" in schema:
        return "object"
    return "array" if "items" in schema else None


def _without(schema: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in schema.items() if name not in names}


def _merge_branch(branch: Any, common: Mapping[str, Any]) -> Any:
    return {"allOf": [branch, common]} if common else branch


def _merge(schema: Any, other: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keywords of both; what describes a value is taken from `other`.

    Raises:
        NotPlainError: They constrain one keyword differently.
    """
    if not isinstance(schema, Mapping):
        raise NotPlainError
    merged = {**schema, **other}
    for name in (schema.keys() & other.keys()) - _NOTES:
        one, two = schema[name], other[name]
        if name == "properties":
            shared = one.keys() & two.keys()
            both = {member: {"allOf": [one[member], two[member]]} for member in shared}
            merged[name] = {**one, **two, **both}
        elif name == "required":
            merged[name] = sorted({*one, *two})
        elif name == "$defs":
            merged[name] = {**one, **two}
        elif one != two:
            raise NotPlainError
    return merged
