"""The keyword of the house: a value is read by pydantic, as the worker will read it."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import SchemaValidator, ValidationError, to_json

_TYPES: Final[dict[type, frozenset[str]]] = {
    type(None): frozenset({"null"}),
    bool: frozenset({"boolean"}),
    int: frozenset({"integer", "number"}),
    float: frozenset({"integer", "number"}),
    str: frozenset({"string"}),
    list: frozenset({"array"}),
    dict: frozenset({"object"}),
}


class ReadByPydantic:
    """Checks one value by the rule that stands in the schema.

    It leaves to `type` what is of another type, and null where it may be null.
    """

    def __init__(self, parent: Mapping[str, Any], rule: Mapping[str, Any], _: object) -> None:
        """Prepare `rule`, which stands in `parent`."""
        types = parent.get("type")
        self._types = frozenset([types] if isinstance(types, str) else types or [])
        self._is_int = rule["type"] == "int"
        schema: Any = {key: value for key, value in rule.items() if key != "config"}
        self._validator = SchemaValidator(schema, rule.get("config"))

    def validate(self, value: Any) -> None:
        """Read `value`.

        Raises:
            ValueError: It cannot be read; the message says why.
        """
        # A whole number is a whole number, and its bounds stand in the schema as well.
        if not self._is_asked(value) or (self._is_int and type(value) is int):
            return
        try:
            self._validator.validate_json(to_json(value))
        except ValidationError as exc:
            (error, *_) = exc.errors(include_input=False, include_url=False, include_context=False)
            raise ValueError(error["msg"]) from None

    def _is_asked(self, value: Any) -> bool:
        if not self._types:
            return True
        return value is not None and bool(_TYPES[type(value)] & self._types)
