"""Forms that a client can show: flat objects of texts, numbers, choices, and yes or no.

Elicitation allows no other JSON Schema. A form that does not fit is shown as JSON instead.
"""

from collections.abc import Mapping
from typing import Any, Final

from ringback.domain.exact_json import resolve
from ringback.mcp.texts import clean

MOST_FIELDS: Final = 30

_LONGEST: Final = 300
_MOST_STEPS: Final = 20
_FORMATS: Final = frozenset({"email", "uri", "date", "date-time"})
_TYPES: Final[Mapping[str, type | tuple[type, ...]]] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "array": list,
}
_LIMITS: Final[Mapping[str, tuple[str, ...]]] = {
    "string": ("minLength", "maxLength"),
    "integer": ("minimum", "maximum"),
    "number": ("minimum", "maximum"),
    "boolean": (),
    "array": ("minItems", "maxItems"),
}


def form_schema(result_schema: Any, *, is_decision: bool) -> dict[str, Any] | None:
    """Return the JSON Schema of what a person fills in; `None` if there is nothing.

    Args:
        result_schema: The schema of a callback, as the gateway shows it.
        is_decision: Whether people approve or reject; otherwise they give the result itself.
    """
    if not isinstance(result_schema, dict):
        return None
    if not is_decision:
        return result_schema
    form = result_schema.get("$defs", {}).get("form")
    return None if form is None else {"$ref": "#/$defs/form", "$defs": {"form": form}}


def flat_form(
    schema: Mapping[str, Any], given: Mapping[str, Any] | None = None
) -> dict[str, Any] | None:
    """Return the form as a schema for elicitation; `None` if it is not flat.

    Args:
        schema: What `form_schema` returned.
        given: Values to begin with, instead of the form's own defaults.
    """
    form = _plain(schema, schema)
    properties = form.get("properties")
    if form.get("type") != "object" or not isinstance(properties, Mapping):
        return None
    if not 1 <= len(properties) <= MOST_FIELDS:
        return None
    own = form.get("default")
    defaults = {**(own if isinstance(own, Mapping) else {}), **(given or {})}
    fields: dict[str, Any] = {}
    for name, part in properties.items():
        field = _to_field(_plain(part, schema))
        if field is None or name != clean(name, _LONGEST):
            return None
        fields[name] = _with_default(field, defaults.get(name, field.get("default")))
    required = [name for name in form.get("required", ()) if name in fields]
    return {"type": "object", "properties": fields, "required": required}


def _plain(schema: Any, root: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a schema without references and without null as an alternative."""
    for _ in range(_MOST_STEPS):
        if not isinstance(schema, Mapping):
            return {}
        rest = {name: value for name, value in schema.items() if name not in {"$ref", "anyOf"}}
        if "$ref" in schema:
            target = resolve(root, schema["$ref"]) if isinstance(schema["$ref"], str) else None
        elif isinstance(schema.get("anyOf"), list):
            others = [one for one in schema["anyOf"] if one != {"type": "null"}]
            target = others[0] if len(others) == 1 else None
        else:
            return schema
        if not isinstance(target, Mapping):
            return {}
        schema = {**target, **rest}
    return {}


def _to_field(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    kind = schema.get("type", "string" if "enum" in schema or "oneOf" in schema else None)
    if not isinstance(kind, str) or kind not in _TYPES:
        return None
    field: dict[str, Any] = {"type": kind}
    for name in ("title", "description"):
        if isinstance(schema.get(name), str):
            field[name] = clean(schema[name], _LONGEST)
    field |= {name: schema[name] for name in _LIMITS[kind] if name in schema}
    if schema.get("format") in _FORMATS:
        field["format"] = schema["format"]
    if "default" in schema:
        field["default"] = schema["default"]
    if kind == "array":
        choices = _choices(schema.get("items"), "anyOf")
        return None if choices is None else {**field, "items": choices}
    if "enum" not in schema and "oneOf" not in schema:
        return field
    choices = _choices(schema, "oneOf")
    return None if choices is None else {**field, **choices}


def _choices(schema: Any, titled: str) -> dict[str, Any] | None:
    """Return the texts among which a field chooses; `None` if these are not texts."""
    if not isinstance(schema, Mapping):
        return None
    if titled in schema:
        listed = schema[titled]
        options = [(one.get("const"), one.get("title")) for one in listed if isinstance(one, dict)]
        if len(options) != len(listed) or not all(
            _is_text(one) for pair in options for one in pair
        ):
            return None
        return {titled: [{"const": value, "title": title} for value, title in options]}
    values = schema.get("enum")
    if not isinstance(values, list) or not values or not all(map(_is_text, values)):
        return None
    return {"type": "string", "enum": values} if titled == "anyOf" else {"enum": values}


def _is_text(value: Any) -> bool:
    """Return whether a person would see this text as it is."""
    return isinstance(value, str) and value == clean(value, _LONGEST)


def _with_default(field: dict[str, Any], value: Any) -> dict[str, Any]:
    """Return the field with `value` as its default, if a field of this type can have it."""
    kept = {name: part for name, part in field.items() if name != "default"}
    fits = isinstance(value, _TYPES[field["type"]])
    is_misread = isinstance(value, bool) and field["type"] != "boolean"
    if not fits or is_misread:
        return kept
    texts = value if isinstance(value, list) else [value] if isinstance(value, str) else []
    # A person would send a changed text without knowing it.
    return {**kept, "default": value} if all(map(_is_text, texts)) else kept
