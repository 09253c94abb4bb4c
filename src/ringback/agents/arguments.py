"""The form in which a person may change a call's arguments, from the tool's JSON Schema."""

import json
from collections.abc import Mapping
from typing import Any, Final

_BY_NAME: Final = ("properties", "patternProperties", "$defs", "definitions")
_LISTS: Final = ("anyOf", "oneOf", "prefixItems")
_TIMES: Final = ("date-time", "time")
_VALUES: Final = ("const", "default", "enum", "examples")
_COMBINED: Final = ("allOf", "if", "$ref", "$dynamicRef", "dependentSchemas")


def to_form(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the schema of a form with these arguments; `None` if nothing can be changed.

    Objects accept only the properties that they name, unless they say otherwise: a tool ignores
    unknown ones, and the note for the model would name them. Dates and times need no UTC offset:
    models often leave it out, and tools in Python accept that. Where a schema requires all members
    of an object, as OpenAI's strict mode does, those that are nullable or have a default may be
    absent: the call may have left them out.
    """
    if not schema.get("properties"):
        return None
    try:
        copied = json.loads(json.dumps(schema, allow_nan=False))
        # A part of `allOf` that is closed would reject what the other parts name.
        closed = _close(copied) if '"allOf"' not in json.dumps(copied) else _close_object(copied)
        return {**_with_local_times(_loosen(closed)), "default": dict(arguments)}
    except (ValueError, TypeError, RecursionError):
        # Such as a default that is infinite. The call can be approved as it is.
        return None


def _close(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    closed = _close_object(schema)
    for keyword in _BY_NAME:
        if isinstance(closed.get(keyword), dict):
            closed[keyword] = {name: _close(one) for name, one in closed[keyword].items()}
    for keyword in _LISTS:
        if isinstance(closed.get(keyword), list):
            closed[keyword] = [_close(one) for one in closed[keyword]]
    if "items" in closed:
        closed["items"] = _close(closed["items"])
    return closed


def _loosen(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_loosen(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    loose = {key: one if key in _VALUES else _loosen(one) for key, one in schema.items()}
    members, required = schema.get("properties"), schema.get("required")
    if isinstance(members, dict) and isinstance(required, list) and members.keys() <= {*required}:
        loose["required"] = [name for name in required if not _may_be_absent(members.get(name))]
    return loose


def _may_be_absent(schema: Any) -> bool:
    if not isinstance(schema, dict):
        return False
    kinds = schema.get("type")
    branches = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    is_null = kinds == "null" or (isinstance(kinds, list) and "null" in kinds)
    return is_null or "default" in schema or any(map(_may_be_absent, branches))


def _with_local_times(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_local_times(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    widened = {
        key: one if key in _VALUES else _with_local_times(one) for key, one in schema.items()
    }
    name = schema.get("format")
    if name in _TIMES and "anyOf" not in schema:
        del widened["format"]
        widened["anyOf"] = [{"format": name}, {"format": f"{name}-local"}]
    return widened


def _close_object(schema: dict[str, Any]) -> dict[str, Any]:
    is_open = "additionalProperties" not in schema and "unevaluatedProperties" not in schema
    if "properties" not in schema or not is_open:
        return dict(schema)
    is_combined = any(keyword in schema for keyword in (*_COMBINED, *_LISTS))
    return {**schema, ("unevaluatedProperties" if is_combined else "additionalProperties"): False}
