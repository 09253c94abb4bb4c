"""The JSON Schema of what pydantic reads as a type.

This is pydantic's own schema, except where that would accept a value that pydantic cannot read, or
reject the usual form of one that it can.
"""

import logging
import re
from typing import Any, Final

from pydantic import TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import SchemaError, SchemaValidator, to_json
from pydantic_core import core_schema as core

_NAMES: Final[dict[str, JsonSchemaValue]] = {
    "boolean": {"enum": ["true", "false"]},
    "integer": {"pattern": "^-?[0-9]{1,4000}$"},
    "null": {"enum": ["null"]},
    "number": {"pattern": r"^-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?$"},
}
"""The text of object keys that are not strings, by their type."""

_logger = logging.getLogger(__name__)


def pydantic_schema(result_type: Any, ref_template: str = "#/$defs/{model}") -> JsonSchemaValue:
    """Return the JSON Schema of what pydantic reads as `result_type`.

    Raises:
        PydanticUserError: pydantic does not know the type, or cannot generate its schema.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(result_type)
    made = adapter.json_schema(schema_generator=_Generator, ref_template=ref_template)
    _drop_unsupported_patterns(made)
    return made


def name_schema(keys: JsonSchemaValue) -> JsonSchemaValue | None:
    """Return the schema of the text of keys that meet `keys`; `None` if they are text already."""
    kind = keys.get("type")
    return _NAMES.get(kind) if isinstance(kind, str) else None


def either_offset(name: str) -> JsonSchemaValue:
    """Return the schema of a text in the format `name`, with or without a UTC offset."""
    return {"type": "string", "anyOf": [{"format": name}, {"format": f"{name}-local"}]}


class _Generator(GenerateJsonSchema):
    # A default that is not JSON is left out: it is for display only.
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}  # noqa: RUF012 - pydantic's own attribute

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        alias = schema.get("validation_alias")
        if isinstance(alias, list) and not any(
            isinstance(path, list) and len(path) == 1 for path in alias
        ):
            msg = "an AliasPath cannot be written as a JSON Schema"
            raise PydanticInvalidForJsonSchema(msg)
        return super().generate_inner(schema)

    def decimal_schema(self, schema: core.DecimalSchema) -> JsonSchemaValue:
        number, _ = super().decimal_schema(schema)["anyOf"]
        places = schema.get("decimal_places")
        if places is not None:
            number.setdefault("multipleOf", float(f"1e-{places}"))
        sign = "" if _is_not_negative(schema) else "-?"
        fraction = "*" if places is None else f"{{0,{places}}}"
        text = {"type": "string", "pattern": rf"^{sign}[0-9]+(\.[0-9]{fraction})?$"}
        return {"anyOf": [number, text]}

    def bytes_schema(self, schema: core.BytesSchema) -> JsonSchemaValue:
        made = super().bytes_schema(schema)
        match self._config.val_json_bytes:
            case "base64":
                return {**made, "format": "base64"}
            case "hex":
                return {"type": "string", "pattern": "^([0-9a-fA-F]{2})*$"}
            case _:
                return {**made, "format": "binary"}

    def datetime_schema(self, schema: core.DatetimeSchema) -> JsonSchemaValue:
        match schema.get("tz_constraint"):
            case None:
                return either_offset("date-time")
            case "naive":
                return {"type": "string", "format": "date-time-local"}
            case _:
                return {"type": "string", "format": "date-time"}

    def time_schema(self, schema: core.TimeSchema) -> JsonSchemaValue:  # noqa: ARG002 - pydantic's own signature
        return either_offset("time")

    def timedelta_schema(self, schema: core.TimedeltaSchema) -> JsonSchemaValue:  # noqa: ARG002 - pydantic's own signature
        return {"type": "string", "format": "duration"}

    def url_schema(self, schema: core.UrlSchema) -> JsonSchemaValue:
        return _with_scheme(super().url_schema(schema), schema)

    def multi_host_url_schema(self, schema: core.MultiHostUrlSchema) -> JsonSchemaValue:
        return _with_scheme(super().multi_host_url_schema(schema), schema)

    def dict_schema(self, schema: core.DictSchema) -> JsonSchemaValue:
        made = super().dict_schema(schema)
        keys = self.generate_inner(schema["keys_schema"]) if "keys_schema" in schema else {}
        if "$ref" in keys:
            keys = self.get_schema_from_definitions(keys["$ref"]) or {}
        if "enum" in keys:
            return {**made, "propertyNames": {"enum": [_to_name(one) for one in keys["enum"]]}}
        name = name_schema(keys)
        return made if name is None else {**made, "propertyNames": name}

    def tagged_union_schema(self, schema: core.TaggedUnionSchema) -> JsonSchemaValue:
        made = super().tagged_union_schema(schema)
        tag = made.get("discriminator", {}).get("propertyName")
        # pydantic requires the tag even if a field has it as its default.
        return made if tag is None else {**made, "required": [tag]}


def _with_scheme(
    made: JsonSchemaValue, schema: core.UrlSchema | core.MultiHostUrlSchema
) -> JsonSchemaValue:
    schemes = schema.get("allowed_schemes")
    if not schemes:
        return made
    return {**made, "pattern": f"^({'|'.join(map(re.escape, schemes))})://."}


def _is_not_negative(schema: core.DecimalSchema) -> bool:
    return any(bound is not None and bound >= 0 for bound in (schema.get("ge"), schema.get("gt")))


def _to_name(value: object) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _drop_unsupported_patterns(part: Any) -> None:
    """Remove and log patterns that cannot be checked in linear time."""
    if isinstance(part, list):
        for item in part:
            _drop_unsupported_patterns(item)
    elif isinstance(part, dict):
        pattern = part.get("pattern")
        if isinstance(pattern, str) and not _is_supported(pattern):
            del part["pattern"]
        for pattern in list(part.get("patternProperties", {})):
            if not _is_supported(pattern):
                del part["patternProperties"][pattern]
        for value in part.values():
            _drop_unsupported_patterns(value)


def _is_supported(pattern: str) -> bool:
    try:
        SchemaValidator(core.str_schema(pattern=pattern))
    except SchemaError:
        _logger.warning(
            "pattern of a result type not checked: %s must not contain look-around or"
            " back-references",
            pattern,
        )
        return False
    return True
