"""What pydantic reads from JSON, as a JSON Schema that accepts neither more nor less.

pydantic's own schema tells people about a type; it is not meant to decide. It refuses an epoch
number for a `datetime`, which pydantic reads, and accepts `"abc"` for a `Decimal`, which it does
not. Here every type that has a value of its own carries the rule that pydantic reads it by, in the
keyword `PYDANTIC`: with it the checker asks pydantic itself.
"""

import logging
import re
from collections.abc import Iterable
from enum import Enum, Flag
from re import Pattern
from typing import Any, Final

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import SchemaError, SchemaValidator, to_json, to_jsonable_python
from pydantic_core import core_schema as core

from ringback.result_schema.field_names import rename

PYDANTIC: Final = "pydantic"
"""A keyword of the house: the rule, as a schema of pydantic's own, by which a value is read."""

EXACT: Final = {"type": "int", "strict": True}
"""The rule of a Python `int`: to JSON Schema, 1.0 is an integer as well."""

_NOT_RULES: Final = frozenset({"metadata", "ref", "schema", "serialization"})
_CONFIG: Final = frozenset({
    "allow_inf_nan",
    "str_max_length",
    "str_min_length",
    "str_strip_whitespace",
    "str_to_lower",
    "str_to_upper",
    "strict",
    "url_preserve_empty_path",
    "val_json_bytes",
    "val_temporal_unit",
})
_LAX: Final = {
    "bool": ["boolean", "integer", "string"],
    "int": ["integer", "string"],
    "float": ["number", "string"],
    "decimal": ["number", "string"],
    "complex": ["number", "string"],
    "datetime": ["number", "string"],
    "date": ["number", "string"],
    "time": ["number", "string"],
    "timedelta": ["number", "string"],
}
"""Which JSON may stand for a value, where it is not strict: an epoch for an instant, and so on."""

_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
_logger = logging.getLogger(__name__)

_NOTHING: Final[JsonSchemaValue] = {"not": {}}
_JSON_TYPES: Final = (dict, list, str, int, float, bool, type(None))
_MAY_BE_NULL: Final = frozenset({"type", "format", "title", PYDANTIC})


class PydanticShapes(GenerateJsonSchema):
    """Makes the schema. A place that cannot be told is left open, and no more than that."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default", "skipped-discriminator"}  # noqa: RUF012 - pydantic's own attribute

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:  # noqa: ARG002 - pydantic's own signature
        """Leave the place open."""
        return {}

    def generate_inner(self, schema: Any) -> JsonSchemaValue:
        """Return the schema of a part."""
        if schema["type"] == "enum" and reads_more(schema["cls"]):
            # pydantic writes the members into what was made.
            schema = {key: value for key, value in schema.items() if key != "metadata"}
        return super().generate_inner(schema)

    def bool_schema(self, schema: core.BoolSchema) -> JsonSchemaValue:
        """Return what is read as a truth value."""
        return self._read_as(schema, super().bool_schema(schema))

    def int_schema(self, schema: core.IntSchema) -> JsonSchemaValue:
        """Return what is read as a whole number."""
        return self._read_as(schema, super().int_schema(schema))

    def float_schema(self, schema: core.FloatSchema) -> JsonSchemaValue:
        """Return what is read as a number."""
        return self._read_as(schema, super().float_schema(schema))

    def decimal_schema(self, schema: core.DecimalSchema) -> JsonSchemaValue:
        """Return what is read as a decimal."""
        return self._read_as(schema, {"type": _LAX["decimal"]})

    def complex_schema(self, schema: core.ComplexSchema) -> JsonSchemaValue:
        """Return what is read as a complex number."""
        return self._read_as(schema, super().complex_schema(schema))

    def str_schema(self, schema: core.StringSchema) -> JsonSchemaValue:
        """Return what is read as text; pydantic has its own regular expressions."""
        return self._read_as(schema, {"type": "string"})

    def bytes_schema(self, schema: core.BytesSchema) -> JsonSchemaValue:
        """Return what is read as bytes."""
        return self._read_as(schema, {"type": "string"})

    def datetime_schema(self, schema: core.DatetimeSchema) -> JsonSchemaValue:
        """Return what is read as an instant."""
        return self._read_as(schema, super().datetime_schema(schema))

    def date_schema(self, schema: core.DateSchema) -> JsonSchemaValue:
        """Return what is read as a day."""
        return self._read_as(schema, super().date_schema(schema))

    def time_schema(self, schema: core.TimeSchema) -> JsonSchemaValue:
        """Return what is read as a time of day."""
        return self._read_as(schema, super().time_schema(schema))

    def timedelta_schema(self, schema: core.TimedeltaSchema) -> JsonSchemaValue:
        """Return what is read as a duration."""
        return self._read_as(schema, super().timedelta_schema(schema))

    def uuid_schema(self, schema: core.UuidSchema) -> JsonSchemaValue:
        """Return what is read as a UUID."""
        return self._read_as(schema, {"type": "string"})

    def url_schema(self, schema: core.UrlSchema) -> JsonSchemaValue:
        """Return what is read as a URL."""
        return self._read_as(schema, {"type": "string"})

    def multi_host_url_schema(self, schema: core.MultiHostUrlSchema) -> JsonSchemaValue:
        """Return what is read as a URL with several hosts."""
        return self._read_as(schema, {"type": "string"})

    def json_schema(self, schema: core.JsonSchema) -> JsonSchemaValue:
        """Return what is read as a text that is JSON."""
        return self._read_as(schema, {"type": "string"})

    def enum_schema(self, schema: core.EnumSchema) -> JsonSchemaValue:
        """Return the members, unless the enum reads more than these."""
        if issubclass(schema["cls"], Flag):
            return {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1, PYDANTIC: EXACT}
        return {} if reads_more(schema["cls"]) else super().enum_schema(schema)

    def is_instance_schema(self, schema: core.IsInstanceSchema) -> JsonSchemaValue:
        """Return nothing: no JSON is an object of a class of the user's."""
        return {} if _is_of_json(schema["cls"]) else dict(_NOTHING)

    def function_before_schema(self, schema: core.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        """Leave open what the user's code reads first, unless it says what it takes."""
        taken = schema.get("json_schema_input_schema")
        return {} if taken is None else self.generate_inner(taken)

    def function_wrap_schema(self, schema: core.WrapValidatorFunctionSchema) -> JsonSchemaValue:
        """Leave open what the user's code reads first, unless it says what it takes."""
        taken = schema.get("json_schema_input_schema")
        return {} if taken is None else self.generate_inner(taken)

    def set_schema(self, schema: core.SetSchema) -> JsonSchemaValue:
        """Return a list: what comes twice is read as once."""
        return _without(super().set_schema(schema), "uniqueItems", "minItems")

    def frozenset_schema(self, schema: core.FrozenSetSchema) -> JsonSchemaValue:
        """Return a list: what comes twice is read as once."""
        return _without(super().frozenset_schema(schema), "uniqueItems", "minItems")

    def dict_schema(self, schema: core.DictSchema) -> JsonSchemaValue:
        """Return an object; its keys are text, and are read as what the keys are."""
        made = _without(super().dict_schema(schema), "patternProperties", "propertyNames")
        if "values_schema" in schema:
            made["additionalProperties"] = self.generate_inner(schema["values_schema"])
        if "keys_schema" in schema:
            made["propertyNames"] = self._as_name(self.generate_inner(schema["keys_schema"]))
        return made

    def nullable_schema(self, schema: core.NullableSchema) -> JsonSchemaValue:
        """Return null or what is inside, so that what is wrong inside is told with its path."""
        inner = self.generate_inner(schema["schema"])
        if "type" in inner and inner.keys() <= _MAY_BE_NULL:
            types = inner["type"] if isinstance(inner["type"], list) else [inner["type"]]
            return {**inner, "type": sorted({*types, "null"})}
        return {"if": {"not": {"type": "null"}}, "then": inner}

    def tagged_union_schema(self, schema: core.TaggedUnionSchema) -> JsonSchemaValue:
        """Return the choices; the tag must be there, and may fit more than one of them."""
        made = super().tagged_union_schema(schema)
        made["anyOf"] = made.pop("oneOf")
        tag = made.pop("discriminator", {}).get("propertyName")
        return made if tag is None else {**made, "required": [tag]}

    def model_fields_schema(self, schema: core.ModelFieldsSchema) -> JsonSchemaValue:
        """Return the fields, by every name that each is read by."""
        return self._named(super().model_fields_schema(schema), schema["fields"].items())

    def dataclass_args_schema(self, schema: core.DataclassArgsSchema) -> JsonSchemaValue:
        """Return the fields, by every name that each is read by."""
        fields = [(field["name"], field) for field in schema["fields"]]
        return self._named(super().dataclass_args_schema(schema), fields)

    def typed_dict_schema(self, schema: core.TypedDictSchema) -> JsonSchemaValue:
        """Return the fields, by every name that each is read by."""
        return self._named(super().typed_dict_schema(schema), schema["fields"].items())

    def _read_as(self, schema: Any, shown: JsonSchemaValue) -> JsonSchemaValue:
        rule = {key: value for key, value in schema.items() if key not in _NOT_RULES}
        config = self._config.config_dict
        said = {key: value for key in _CONFIG if (value := config.get(key)) is not None}
        if not rule.get("strict", said.get("strict")):
            shown["type"] = _LAX.get(rule["type"], "string")
        if not (rule.keys() | said.keys()) - {"type", "strict"} and rule["type"] in {
            "str",
            "bytes",
        }:
            return shown
        if "pattern" in rule:
            _replace_pattern(rule)
        if said:
            rule["config"] = said
        # Without the condition, every value of another type is converted only to be left alone.
        guarded = {"if": {"type": shown["type"]}, "then": {PYDANTIC: to_jsonable_python(rule)}}
        # A format of JSON Schema's is another rule than pydantic's.
        return {**_without(shown, "format"), **guarded}

    def _as_name(self, keys: JsonSchemaValue) -> JsonSchemaValue:
        match keys:
            case {"$ref": ref}:
                return self._as_name(self.get_schema_from_definitions(ref) or {})
            case {"pydantic": rule} | {"then": {"pydantic": rule}}:
                return {PYDANTIC: {**rule, "strict": False, "config": {}}}
            case {"enum": values}:
                return {"enum": [_name_of(value) for value in values]}
            case {"const": value}:
                return {"enum": [_name_of(value)]}
            case {"anyOf": choices}:
                return {"anyOf": [self._as_name(choice) for choice in choices]}
            case {"format": form}:
                return {"format": form}
            case _:
                return {}

    def _named(self, made: JsonSchemaValue, fields: Iterable[tuple[str, Any]]) -> JsonSchemaValue:
        by_name = bool(self._config.validate_by_name or self._config.populate_by_name)
        for name, field in fields:
            rename(made, name, field.get("validation_alias"), by_name=by_name)
        return made


def reads_more(kind: type[Enum]) -> bool:
    """Tell whether an enum makes members of other values than those of the ones it names."""
    own = kind.__mro__[: kind.__mro__.index(Enum)]
    return issubclass(kind, Flag) or any("_missing_" in vars(one) for one in own)


def _without(made: JsonSchemaValue, *keywords: str) -> JsonSchemaValue:
    return {key: value for key, value in made.items() if key not in keywords}


def _name_of(value: object) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def _is_of_json(kind: object) -> bool:
    # A protocol may not be asked.
    asked = kind if isinstance(kind, type) and not getattr(kind, "_is_protocol", False) else object
    return any(issubclass(one, asked) for one in _JSON_TYPES)


def _replace_pattern(rule: dict[str, Any]) -> None:
    """Let `rule` use an engine without backtracking, whatever the type or its model asks for."""
    given = rule.pop("pattern")
    pattern = _inlined(given) if isinstance(given, Pattern) else given
    rule.pop("regex_engine", None)
    try:
        SchemaValidator(core.str_schema(pattern=pattern))
    except SchemaError:
        _logger.warning(
            "the pattern %s of a result type is not checked: it must not contain look-around or"
            " back-references",
            pattern,
        )
    else:
        rule["pattern"] = pattern


def _inlined(pattern: Pattern[str]) -> str:
    flags = "".join(letter for letter, flag in _FLAGS.items() if pattern.flags & flag)
    return f"(?{flags}){pattern.pattern}" if flags else pattern.pattern
