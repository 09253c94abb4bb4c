"""The JSON Schema of what Temporal's default converter reads as a type.

pydantic's own schema differs: pydantic reads a `date` or a `Decimal`, which the default converter
does not, and reads `bytes` from text instead of a list. So this module follows
`temporalio.converter.value_to_type` branch by branch. Where that would change a value (1.5 to 1, a
text to the list of its letters), the schema rejects it.
"""

import collections.abc
import dataclasses
import inspect
import re
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

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaValue

from ringback.result_schema.pydantic_converter import either_offset, name_schema, pydantic_schema

_NOTHING: Final[JsonSchemaValue] = {"not": {}}
_BYTE: Final[JsonSchemaValue] = {"type": "integer", "minimum": 0, "maximum": 255}
_PLAIN: Final[dict[Any, JsonSchemaValue]] = {
    Any: {},
    bool: {"type": "boolean"},
    bytes: {"type": "array", "items": _BYTE},
    datetime: either_offset("date-time"),
    float: {"type": "number"},
    int: {"type": "integer"},
    str: {"type": "string"},
    type(None): {"type": "null"},
}

_ENUMS: Final[dict[type, str]] = {int: "integer", str: "string"}


class DefaultConverterSchema:
    """Generates the schema of one type, with dataclasses and models as definitions.

    Attributes:
        unreadable: The types in it that the converter cannot read from any JSON.
        models: The pydantic models in it.
    """

    def __init__(self) -> None:
        """Start without definitions."""
        self.unreadable: list[Any] = []
        self.models: list[type] = []
        self._names: dict[type, str] = {}
        self._definitions: dict[str, JsonSchemaValue] = {}

    def generate(self, hint: Any) -> JsonSchemaValue:
        """Return the schema of `hint`.

        Raises:
            NameError: An annotation in it names something undefined.
            TypeError: An annotation in it is not a type.
            PydanticUserError: pydantic cannot generate the schema of a model in it.
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
            # The converter ignores annotations.
            return self._of(get_args(hint)[0])
        if origin is Literal:
            return {"enum": [one for one in get_args(hint) if isinstance(one, str | int | None)]}
        if origin in {typing.Union, types.UnionType}:
            return self._union(get_args(hint))
        made = self._class(origin, hint) if inspect.isclass(origin) else None
        return self._nothing(hint) if made is None else made

    def _class(self, origin: type, hint: Any) -> JsonSchemaValue | None:
        if issubclass(origin, collections.abc.Mapping):
            return self._mapping(origin, get_args(hint))
        if dataclasses.is_dataclass(origin):
            return self._defined(origin, self._dataclass)
        if issubclass(origin, BaseModel):
            return self._defined(origin, self._model)
        if issubclass(origin, Enum):
            return _enum(origin)
        if issubclass(origin, UUID):
            return {"type": "string", "format": "uuid"}
        if issubclass(origin, collections.abc.Iterable) and not issubclass(origin, str):
            return self._iterable(origin, get_args(hint))
        return None

    def _nothing(self, hint: Any) -> JsonSchemaValue:
        self.unreadable.append(hint)
        return _NOTHING

    def _union(self, hints: Sequence[Any]) -> JsonSchemaValue:
        choices = [one for one in map(self._of, hints) if one is not _NOTHING]
        if not choices:
            return _NOTHING
        if all(one.keys() == {"type"} for one in choices):
            return {"type": [one["type"] for one in choices]}
        return {"anyOf": choices}

    def _defined(self, kind: type, make: Callable[[type, str], JsonSchemaValue]) -> JsonSchemaValue:
        if kind not in self._names:
            # A generic model has brackets in its name.
            name = re.sub(r"\W", "_", kind.__name__)
            if name in self._definitions:
                name = f"{name}.{len(self._names)}"
            self._names[kind] = name
            self._definitions[name] = {}
            self._definitions[name] = make(kind, f"#/$defs/{name}")
        return {"$ref": f"#/$defs/{self._names[kind]}"}

    def _dataclass(self, kind: Any, _: str) -> JsonSchemaValue:
        hints = get_type_hints(kind)
        fields = dataclasses.fields(kind)
        return {
            "type": "object",
            "properties": {field.name: self._of(hints[field.name]) for field in fields},
            "required": [field.name for field in fields if _is_required(field)],
        }

    def _model(self, kind: type, place: str) -> JsonSchemaValue:
        self.models.append(kind)
        made = pydantic_schema(kind, f"{place}/$defs/{{model}}")
        if made.get("type") == "object":
            return made
        # The converter passes only objects to a model, even if the model could read a list.
        definitions = made.pop("$defs", {})
        return {"$defs": definitions, "type": "object", "allOf": [made]}

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
        made = self._of(key)
        return name_schema(made) or made

    def _iterable(self, origin: type, args: Sequence[Any]) -> JsonSchemaValue:
        if not args or (len(args) == 1 and _is_open(args[0])):
            return {"type": "array"}
        if origin is not tuple or args[-1] is Ellipsis:
            return {"type": "array", "items": self._of(args[0])}
        each = [self._of(one) for one in args]
        return {"type": "array", "prefixItems": each, "minItems": len(each), "maxItems": len(each)}


def _enum(kind: type[Enum]) -> JsonSchemaValue | None:
    name = next((name for base, name in _ENUMS.items() if issubclass(kind, base)), None)
    return None if name is None else {"type": name, "enum": [member.value for member in kind]}


def _is_required(field: "dataclasses.Field[Any]") -> bool:
    missing = dataclasses.MISSING
    return field.init and field.default is missing and field.default_factory is missing


def _is_open(hint: Any) -> bool:
    return hint is Any or isinstance(hint, TypeVar)
