"""Generate the JSON Schema of a type, as the worker's data converter reads it."""

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

from ringback.result_schema.default_converter import DefaultConverterSchema
from ringback.result_schema.pydantic_converter import pydantic_schema
from ringback.schemas.options import LONGEST_SCHEMA

_TYPES: Final = 1024
"""Maximum number of types in the cache; a worker has about one per activity."""

_JSON: Final = b"json/plain"
_TRANSFERRED: Final = "__temporal_transfer_type_converter"
"""The SDK's attribute of types that are transferred as another type."""

_SAYS_NOTHING: Final = frozenset({"$defs", "default", "description", "examples", "title"})

_logger = logging.getLogger(__name__)


class Reader(Enum):
    """What reads JSON as the types of an activity."""

    DEFAULT = "Temporal's default converter"
    PYDANTIC = "pydantic"
    UNKNOWN = "a custom converter"


def generate_schema(result_type: object, converter: DataConverter | None = None) -> str | None:
    """Return the JSON Schema of `result_type`; `None` if any JSON is valid.

    A type always has the same text. If no schema can be generated, or the converter cannot read the
    type, that is logged once.

    Args:
        result_type: The return type of the activity.
        converter: The worker's data converter. `None`, and one that reads JSON in its own way, are
            treated like pydantic's.
    """
    is_transferred = isinstance(getattr(result_type, _TRANSFERRED, None), TransferTypeConverter)
    if result_type is object or result_type is Any or is_transferred:
        return None
    reader = find_reader(converter)
    try:
        return _cached(result_type, reader)
    except TypeError:
        # It cannot be hashed: it contains a list, for example.
        return _generate_text(result_type, reader)


def find_reader(converter: DataConverter | None) -> Reader:
    """Return what reads JSON in `converter`."""
    inner = None if converter is None else converter.payload_converter_class()
    if not isinstance(inner, CompositePayloadConverter):
        return Reader.UNKNOWN
    found = inner.converters.get(_JSON)
    if found in DefaultPayloadConverter.default_encoding_payload_converters:
        return Reader.DEFAULT
    is_pydantic = isinstance(found, PydanticJSONPlainPayloadConverter)
    return Reader.PYDANTIC if is_pydantic else Reader.UNKNOWN


def _generate_text(result_type: Any, reader: Reader) -> str | None:
    name = _to_name(result_type)
    try:
        made = _generate(result_type, reader, name)
    except (PydanticUserError, NameError, TypeError) as exc:
        _logger.warning(
            "results are not checked: no JSON Schema can be generated of %s (%s)", name, exc
        )
        return None
    if made.keys() <= _SAYS_NOTHING:
        _logger.info("results are not checked: any JSON is a valid %s", name)
        return None
    # Properties stay in their order: forms show them so.
    text = json.dumps(made, separators=(",", ":"), ensure_ascii=False)
    if len(text) > LONGEST_SCHEMA:
        _logger.warning(
            "results are not checked: the JSON Schema of %s is longer than %d characters",
            name,
            LONGEST_SCHEMA,
        )
        return None
    return text


_cached = lru_cache(maxsize=_TYPES)(_generate_text)


def _generate(result_type: Any, reader: Reader, name: str) -> JsonSchemaValue:
    if reader is Reader.DEFAULT:
        return _generate_for_default(result_type, name)
    if reader is Reader.PYDANTIC and not _is_known(result_type):
        _logger.warning("results will be rejected: pydantic cannot read %s", name)
        return {"not": {}}
    return pydantic_schema(result_type)


def _generate_for_default(result_type: Any, name: str) -> JsonSchemaValue:
    schema = DefaultConverterSchema()
    made = schema.generate(result_type)
    if schema.models:
        _logger.warning(
            "results will be rejected: %s contains a pydantic model (%s), but Temporal's default"
            " converter is used; for worker and gateway, set"
            " RINGBACK_DATA_CONVERTER=temporalio.contrib.pydantic:pydantic_data_converter",
            name,
            ", ".join(map(_to_name, schema.models)),
        )
    if schema.unreadable:
        _logger.warning(
            "results will be rejected: Temporal's default converter cannot read %s in %s; use"
            " pydantic's converter or another type",
            ", ".join(map(_to_name, schema.unreadable)),
            name,
        )
    return made


def _is_known(result_type: Any) -> bool:
    try:
        TypeAdapter(result_type)
    except PydanticUserError:
        return False
    return True


def _to_name(hint: Any) -> str:
    return hint.__qualname__ if isinstance(hint, type) else str(hint)
