"""What Temporal's default converter reads from JSON, as a JSON Schema.

It follows `temporalio.converter.value_to_type` branch by branch. Where that bends a value into
shape (1.5 into 1, a text into the list of its letters) the schema refuses it.
"""

import collections.abc
import dataclasses
import inspect
import types
import typing
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import Enum
from typing import (
    Any,
    Final,
    ForwardRef,
    Literal,
    NewType,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)
from uuid import UUID

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaValue

from ringback.result_schema.formats import PYTHON_DATETIME, PYTHON_UUID
from ringback.result_schema.pydantic_converter import EXACT, PYDANTIC, PydanticShapes, reads_more

_NOTHING: Final[JsonSchemaValue] = {"not": {}}
"""The converter can read no value at all as such a type."""

_PLAIN: Final[dict[Any, JsonSchemaValue]] = {
    Any: {},
    bool: {"type": "boolean"},
    bytes: {
        "type": "array",
        "items": {"type": "integer", "minimum": 0, "maximum": 255, PYDANTIC: EXACT},
    },
    datetime: {"type": "string", "format": PYTHON_DATETIME},
    float: {"type": "number"},
    int: {"type": "integer"},
    str: {"type": "string"},
    type(None): {"type": "null"},
}
_NAMES: Final[dict[Any, JsonSchemaValue]] = {
    bool: {"enum": ["true", "false"]},
    float: {"pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"},
    int: {"pattern": "^-?[0-9]{1,4000}$"},
    type(None): {"enum": ["null"]},
}
"""How JSON has the keys that are no text."""


class DefaultShapes:
    """Makes one schema; types that may hold themselves stand in its definitions."""

    def __init__(self) -> None:
        """Begin with no definitions."""
        self._names: dict[type, str] = {}
        self._definitions: dict[str, JsonSchemaValue] = {}

    def generate(self, hint: Any) -> JsonSchemaValue:
        """Return the schema of `hint`.

        Raises:
            NameError: An annotation in it names what cannot be found.
            TypeError: The same, or an annotation is no type.
        """
        made = self._of(hint)
        return {"$defs": self._definitions, **made} if self._definitions else made

    def _of(self, hint: Any) -> JsonSchemaValue:
        if get_origin(hint) is None and hint in _PLAIN:
            return _PLAIN[hint]
        if isinstance(hint, NewType):
            return self._of(hint.__supertype__)
        if isinstance(hint, str | ForwardRef):
            msg = f"{hint} is a name, not a type"
            raise TypeError(msg)
        origin = get_origin(hint) or hint
        if origin is typing.Annotated:
            # Annotations are stripped before the converter sees the type.
            return self._of(get_args(hint)[0])
        if origin is Literal:
            return {"enum": [one for one in get_args(hint) if _is_json(one)]}
        if origin in {typing.Union, types.UnionType}:
            return self._any_of([self._of(one) for one in get_args(hint)])
        return self._of_class(origin, hint) if inspect.isclass(origin) else _NOTHING

    def _of_class(self, origin: type, hint: Any) -> JsonSchemaValue:
        if issubclass(origin, collections.abc.Mapping):
            return self._mapping(origin, get_args(hint))
        if dataclasses.is_dataclass(hint):
            return self._defined(origin, self._dataclass)
        if issubclass(origin, BaseModel):
            return self._defined(origin, _model)
        if issubclass(origin, Enum):
            return _enum(origin)
        if issubclass(origin, UUID):
            return {"type": "string", "format": PYTHON_UUID}
        if issubclass(origin, collections.abc.Iterable) and not issubclass(origin, str):
            return self._iterable(origin, get_args(hint))
        return _NOTHING

    def _any_of(self, choices: Sequence[JsonSchemaValue]) -> JsonSchemaValue:
        readable = [one for one in choices if one is not _NOTHING]
        if len(readable) <= 1:
            return readable[0] if readable else _NOTHING
        if all(one.keys() == {"type"} for one in readable):
            return {"type": [one["type"] for one in readable]}
        inside = [one for one in readable if one != _PLAIN[type(None)]]
        made = inside[0] if len(inside) == 1 else {"anyOf": inside}
        is_optional = len(inside) < len(readable)
        return {"if": {"not": {"type": "null"}}, "then": made} if is_optional else made

    def _defined(self, kind: type, make: Callable[[type, str], JsonSchemaValue]) -> JsonSchemaValue:
        if kind not in self._names:
            self._names[kind] = name = f"{kind.__name__}.{len(self._names)}"
            self._definitions[name] = make(kind, f"#/$defs/{name}")
        return {"$ref": f"#/$defs/{self._names[kind]}"}

    def _dataclass(self, kind: type, _: str) -> JsonSchemaValue:
        hints = get_type_hints(kind)
        fields = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
        required = _required(kind)
        if set(required) - fields.keys():
            # Nothing is given to the constructor but the fields.
            return _NOTHING
        return {
            "type": "object",
            "properties": {name: self._of(hint) for name, hint in fields.items()},
            "required": required,
        }

    def _mapping(self, origin: type, args: Sequence[Any]) -> JsonSchemaValue:
        required: frozenset[str] = getattr(origin, "__required_keys__", frozenset())
        if required or getattr(origin, "__optional_keys__", None):
            properties = {key: self._of(hint) for key, hint in get_type_hints(origin).items()}
            return {"type": "object", "properties": properties, "required": sorted(required)}
        made: JsonSchemaValue = {"type": "object"}
        if args and not _is_open(args[0]):
            made["propertyNames"] = self._name(args[0])
        if args and not _is_open(args[1]):
            made["additionalProperties"] = self._of(args[1])
        return made

    def _name(self, key: Any) -> JsonSchemaValue:
        if inspect.isclass(key) and issubclass(key, Enum) and issubclass(key, int):
            return {"enum": [str(member.value) for member in key]}
        is_plain = get_origin(key) is None and key in _NAMES
        return _NAMES[key] if is_plain else self._of(key)

    def _iterable(self, origin: type, args: Sequence[Any]) -> JsonSchemaValue:
        if not args or (len(args) == 1 and _is_open(args[0])):
            return {"type": "array"}
        if origin is not tuple or args[-1] is Ellipsis:
            return {"type": "array", "items": self._of(args[0])}
        each = [self._of(one) for one in args]
        return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}


def _model(kind: type, place: str) -> JsonSchemaValue:
    made = TypeAdapter(kind).json_schema(
        schema_generator=PydanticShapes, ref_template=f"{place}/$defs/{{model}}"
    )
    if made.get("type") == "object":
        return made
    # The converter gives a model nothing but objects, also where it would read a list.
    definitions = made.pop("$defs", {})
    return {"$defs": definitions, "type": "object", "allOf": [made]}


def _enum(kind: type[Enum]) -> JsonSchemaValue:
    if issubclass(kind, int):
        made: JsonSchemaValue = {"type": "integer", PYDANTIC: EXACT}
    elif issubclass(kind, str):
        made = {"type": "string"}
    else:
        return _NOTHING
    return made if reads_more(kind) else {**made, "enum": [member.value for member in kind]}


def _required(kind: type) -> list[str]:
    return [
        parameter.name
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.default is parameter.empty
        and parameter.kind in {parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY}
    ]


def _is_open(hint: Any) -> bool:
    return hint is Any or isinstance(hint, TypeVar)


def _is_json(value: object) -> bool:
    return isinstance(value, str | int | None)
