"""The JSON Schema of a type: what a JSON value must be to be read as that type in the worker."""

import json
import logging
from enum import Enum
from functools import lru_cache
from typing import Any, Final

from pydantic import PydanticUserError, TypeAdapter
from pydantic.json_schema import JsonSchemaValue
from temporalio.contrib.pydantic import PydanticJSONPlainPayloadConverter
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultPayloadConverter,
    TransferTypeConverter,
)

from ringback.result_schema.default_converter import DefaultShapes
from ringback.result_schema.pydantic_converter import PydanticShapes

_TYPES: Final = 1024
"""How many types' schemas are kept: a worker has as many as it has activities, more or less."""

_JSON: Final = b"json/plain"
_TRANSFERRED: Final = "__temporal_transfer_type_converter"
"""Where the SDK keeps by what a type of the user's goes over the wire instead."""

_SAYS_NOTHING: Final = frozenset({"$defs", "default", "description", "examples", "title"})
_UNREADABLE: Final = '"not":{}'

_logger = logging.getLogger(__name__)


class Reader(Enum):
    """What turns JSON into the types of an activity."""

    DEFAULT = "Temporal's default converter"
    PYDANTIC = "pydantic"
    UNKNOWN = "a converter of the user's"


def generate_schema(result_type: object, converter: DataConverter | None = None) -> str | None:
    """Return the JSON Schema of what `converter` reads as `result_type`; `None` for any JSON.

    The same type has the same text. `None` comes of a type that says nothing, and of one that
    cannot be put as a schema, which is logged once.

    Args:
        result_type: What the activity returns.
        converter: The worker's. One that reads JSON in its own way is taken to read what pydantic
            does; so is none.
    """
    is_transferred = isinstance(getattr(result_type, _TRANSFERRED, None), TransferTypeConverter)
    if result_type is object or result_type is Any or is_transferred:
        return None
    reader = reader_of(converter)
    try:
        return _cached(result_type, reader)
    except TypeError:
        # It cannot be hashed: an annotation in it is a list, for example.
        return _generate_text(result_type, reader)


def reader_of(converter: DataConverter | None) -> Reader:
    """Return what reads JSON for `converter`."""
    inner = None if converter is None else converter.payload_converter_class()
    if not isinstance(inner, CompositePayloadConverter):
        return Reader.UNKNOWN
    found = inner.converters.get(_JSON)
    if found in DefaultPayloadConverter.default_encoding_payload_converters:
        return Reader.DEFAULT
    is_pydantic = isinstance(found, PydanticJSONPlainPayloadConverter)
    return Reader.PYDANTIC if is_pydantic else Reader.UNKNOWN


def _generate_text(result_type: Any, reader: Reader) -> str | None:
    name = result_type.__qualname__ if isinstance(result_type, type) else str(result_type)
    try:
        made = _generate(result_type, reader)
    except (PydanticUserError, NameError, TypeError) as exc:
        _logger.info("results of %s are not checked: no JSON Schema can be made (%s)", name, exc)
        return None
    if made.keys() <= _SAYS_NOTHING:
        _logger.info("results of %s are not checked: any JSON can be read as it", name)
        return None
    text = json.dumps(made, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if _UNREADABLE in text:
        _logger.warning(
            "not every part of %s can be read by %s: answers with such a part are refused",
            name,
            reader.value,
        )
    return text


_cached = lru_cache(maxsize=_TYPES)(_generate_text)


def _generate(result_type: Any, reader: Reader) -> JsonSchemaValue:
    if reader is Reader.DEFAULT:
        return DefaultShapes().generate(result_type)
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(result_type)
    except PydanticUserError:
        if reader is Reader.UNKNOWN:
            raise
        # The worker's converter begins in the same way, and fails whatever the answer is.
        return {"not": {}}
    return adapter.json_schema(schema_generator=PydanticShapes)
