"""Builds an example of a result from its JSON Schema."""

import json
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

_DEPTH: Final = 12
"""Maximum levels of an example: a recursive type has no end."""

_STEPS: Final = 1000
"""Maximum parts of a schema to visit: nested choices can be endless too."""

_LENGTH: Final = 100
"""Maximum length of a string or an array in an example."""

_TEXTS: Final = {
    "binary": "text",
    "date-time": "2030-01-31T12:00:00Z",
    "date-time-local": "2030-01-31T12:00:00",
    "date": "2030-01-31",
    "time": "12:00:00Z",
    "time-local": "12:00:00",
    "duration": "PT1H",
    "uuid": "12345678-1234-4678-9234-567812345678",
    "uuid4": "12345678-1234-4678-9234-567812345678",
    "email": "name@example.com",
    "uri": "https://example.com/",
    "base64": "YWJj",
}

_BOUNDS: Final = frozenset({
    *("allOf", "not", "if", "contains", "dependentRequired", "dependentSchemas", "$dynamicRef"),
    *("pattern", "minProperties"),
})
"""Keywords that an example built here might not satisfy."""

_KEY_BOUNDS: Final = frozenset({"patternProperties", "propertyNames"})
"""Keywords that an empty object satisfies."""

_NOTES: Final = frozenset({"$defs", "description", "discriminator", "title"})


class _NotSimpleError(Exception):
    """The schema is too complex for an example that certainly satisfies it."""


def example_of(schema: str | None) -> str | None:
    """Return an example of `schema` as JSON; `None` without a schema or for a complex one."""
    if schema is None:
        return None
    root = json.loads(schema)
    try:
        return json.dumps(_Examples(root).make(root, _DEPTH), ensure_ascii=False)
    except (_NotSimpleError, ValueError):
        # A `ValueError`: a bound of the schema is beyond the range of a float.
        return None


class _Examples:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._steps = 0

    def make(self, schema: Any, depth: int) -> Any:
        """Return an example of `schema`, with at most `depth` levels.

        Raises:
            _NotSimpleError: The schema is too complex.
        """
        self._steps += 1
        is_too_deep = depth == 0 or self._steps > _STEPS
        if is_too_deep or not isinstance(schema, dict) or _BOUNDS & schema.keys():
            raise _NotSimpleError
        for given in ("const", "default"):
            if given in schema:
                return schema[given]
        for choice in ("enum", "examples"):
            if schema.get(choice):
                return schema[choice][0]
        for keyword in ("$ref", "anyOf", "oneOf"):
            if keyword in schema:
                rest = {name: value for name, value in schema.items() if name != keyword}
                choices = schema[keyword] if keyword != "$ref" else [self._target(schema["$ref"])]
                return self._first(rest, choices, depth - 1)
        return self._of_type(schema, depth)

    def _target(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise _NotSimpleError
        found = self._root
        for step in reference[2:].split("/"):
            found = found.get(step) if isinstance(found, dict) else None
        return found

    def _first(self, rest: dict[str, Any], choices: list[Any], depth: int) -> Any:
        # Null is the least useful choice, so it is the last.
        for choice in sorted(choices, key=lambda one: one == {"type": "null"}):
            try:
                return self.make(_merge(rest, choice), depth)
            except _NotSimpleError:
                continue
        raise _NotSimpleError

    def _of_type(self, schema: dict[str, Any], depth: int) -> Any:
        types = schema.get("type")
        named = [types] if isinstance(types, str) else types or []
        kind = next((one for one in named if one != "null"), "null" if named else None)
        make = self._makers().get(kind)
        if make is None:
            raise _NotSimpleError
        return make(schema, depth)

    def _makers(self) -> dict[str | None, Callable[[dict[str, Any], int], Any]]:
        return {
            "object": self._object,
            "array": self._array,
            "string": lambda schema, _: _text(schema),
            "integer": lambda schema, _: _number(schema, 1),
            "number": lambda schema, _: _number(schema, 1.5),
            "boolean": lambda _, __: True,
            "null": lambda _, __: None,
        }

    def _object(self, schema: dict[str, Any], depth: int) -> Any:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if not set(required) <= properties.keys() or (properties and _KEY_BOUNDS & schema.keys()):
            raise _NotSimpleError
        wanted = required or list(properties)
        return {name: self.make(properties[name], depth - 1) for name in wanted}

    def _array(self, schema: dict[str, Any], depth: int) -> Any:
        made = [self.make(one, depth - 1) for one in schema.get("prefixItems", [])]
        least, most = schema.get("minItems", 0), schema.get("maxItems", _LENGTH)
        missing = int(min(max(least, 1), _LENGTH)) - len(made)
        if "items" in schema and missing > 0:
            made += [self.make(schema["items"], depth - 1)] * missing
        if not least <= len(made) <= most or (missing > 1 and "uniqueItems" in schema):
            raise _NotSimpleError
        return made


def _merge(schema: dict[str, Any], other: Any) -> Any:
    """Return a schema with the keywords of both.

    Raises:
        _NotSimpleError: They have different values for a keyword.
    """
    if not isinstance(other, dict):
        raise _NotSimpleError
    required = sorted({*schema.get("required", []), *other.get("required", [])})
    shared = (schema.keys() & other.keys()) - _NOTES - {"required"}
    if any(schema[name] != other[name] for name in shared):
        raise _NotSimpleError
    return {**schema, **other, "required": required} if required else {**schema, **other}


def _text(schema: dict[str, Any]) -> str:
    least, most = schema.get("minLength", 0), schema.get("maxLength", _LENGTH)
    if "format" in schema:
        made = _TEXTS.get(schema["format"])
    else:
        made = "text".ljust(int(min(least, _LENGTH)), ".")[: int(min(most, _LENGTH))]
    if made is None or not least <= len(made) <= most:
        raise _NotSimpleError
    return made


def _number(schema: dict[str, Any], usual: float) -> float:
    least = schema.get("minimum", schema.get("exclusiveMinimum", 0) + 1)
    most = schema.get("maximum", schema.get("exclusiveMaximum", 0) - 1)
    for number in (usual, 1, least, most):
        if _is_within(number, schema):
            return number
    raise _NotSimpleError


def _is_within(number: float, schema: dict[str, Any]) -> bool:
    is_whole = Fraction(str(number)).denominator == 1
    return (
        (is_whole or "integer" not in schema["type"])
        and schema.get("minimum", number) <= number <= schema.get("maximum", number)
        and ("exclusiveMinimum" not in schema or number > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or number < schema["exclusiveMaximum"])
        and Fraction(str(number)) % Fraction(str(schema.get("multipleOf", number or 1))) == 0
    )
