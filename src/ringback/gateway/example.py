"""An example of a result, made from the JSON Schema that an answer must satisfy."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

_DEPTH: Final = 12
"""How many levels an example may have; a type that contains itself has no end."""

_TEXTS: Final = {
    "date-time": "2030-01-31T12:00:00Z",
    "date": "2030-01-31",
    "time": "12:00:00",
    "duration": "PT1H",
    "uuid": "12345678-1234-4678-9234-567812345678",
    "email": "name@example.com",
    "uri": "https://example.com/",
}

_READ_BY_PYDANTIC: Final[Mapping[str, Any]] = {
    "bool": True,
    "int": 1,
    "float": 1.5,
    "decimal": "1.50",
    "datetime": _TEXTS["date-time"],
    "date": _TEXTS["date"],
    "time": _TEXTS["time"],
    "timedelta": _TEXTS["duration"],
    "uuid": _TEXTS["uuid"],
    "url": _TEXTS["uri"],
}
"""Examples of what pydantic reads, by the type of the rule in the schema."""

_BOUNDS: Final = frozenset({
    *("allOf", "not", "else", "contains", "dependentRequired", "dependentSchemas"),
    *("pattern", "minLength", "maxLength", "multipleOf", "exclusiveMinimum"),
    *("exclusiveMaximum", "maximum", "minItems", "minProperties", "uniqueItems"),
    *("prefixItems", "$dynamicRef"),
})
"""Keywords that an example made here might not satisfy."""

_KEY_BOUNDS: Final = frozenset({"patternProperties", "propertyNames"})
"""Keywords that an object without keys satisfies."""

_RULE_BOUNDS: Final = frozenset({"gt", "ge", "lt", "le", "multiple_of", "max_digits", "pattern"})


class _NotSimpleError(Exception):
    """No example can be made that is known to be accepted."""


def example_of(schema: str | None) -> str | None:
    """Return a result of `schema` as JSON; `None` if there is no schema, or it is not simple."""
    if schema is None:
        return None
    root = json.loads(schema)
    try:
        return json.dumps(_Examples(root).make(root, _DEPTH), ensure_ascii=False)
    except _NotSimpleError:
        return None


class _Examples:
    def __init__(self, root: Any) -> None:
        self._root = root

    def make(self, schema: Any, depth: int) -> Any:
        """Return an example of `schema`, with at most `depth` levels.

        Raises:
            _NotSimpleError: None can be made that is known to be accepted.
        """
        if not isinstance(schema, dict) or depth == 0 or _BOUNDS & schema.keys():
            raise _NotSimpleError
        for given in ("const", "default"):
            if given in schema:
                return schema[given]
        for choice in ("enum", "examples"):
            if schema.get(choice):
                return schema[choice][0]
        if "$ref" in schema or "if" in schema:
            return self.make(self._inner(schema), depth - 1)
        for union in ("anyOf", "oneOf"):
            if union in schema:
                return self._first(schema[union], depth)
        if "pydantic" in schema:
            return _read_by_pydantic(schema["pydantic"])
        return self._of_type(schema, depth)

    def _inner(self, schema: dict[str, Any]) -> Any:
        if "$ref" not in schema:
            # If the consequence holds, the condition does not matter.
            return schema.get("then")
        prefix, _, name = schema["$ref"].rpartition("/")
        if prefix != "#/$defs":
            raise _NotSimpleError
        return self._root.get("$defs", {}).get(name)

    def _first(self, schemas: list[Any], depth: int) -> Any:
        # A null says the least of all choices, so it comes last.
        choices = sorted(schemas, key=lambda one: one == {"type": "null"})
        for choice in choices:
            try:
                return self.make(choice, depth - 1)
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
            "integer": lambda schema, _: max(1, schema.get("minimum", 1)),
            "number": lambda schema, _: max(1.5, schema.get("minimum", 1.5)),
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
        return [self.make(schema["items"], depth - 1)] if "items" in schema else []


def _text(schema: dict[str, Any]) -> str:
    if "format" not in schema:
        return "text"
    if schema["format"] not in _TEXTS:
        raise _NotSimpleError
    return _TEXTS[schema["format"]]


def _read_by_pydantic(rule: dict[str, Any]) -> Any:
    if rule.get("type") not in _READ_BY_PYDANTIC or _RULE_BOUNDS & rule.keys():
        raise _NotSimpleError
    return _READ_BY_PYDANTIC[rule["type"]]
