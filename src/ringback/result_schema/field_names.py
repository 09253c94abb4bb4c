"""The names by which pydantic finds a field: an alias, several of them, a path into the JSON."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from pydantic.json_schema import JsonSchemaValue

Path: TypeAlias = Sequence[str | int]


def rename(made: JsonSchemaValue, name: str, alias: Any, *, by_name: bool) -> None:
    """Let `made`, the schema of an object, find the field `name` by each of its names.

    pydantic's own schema knows one name of each, and no path.

    Args:
        made: Is changed.
        name: The field's own name.
        alias: How the field is found, as pydantic keeps it: a name, a path, or several paths.
        by_name: Whether its own name serves as well.
    """
    if alias is None or (isinstance(alias, str) and not by_name):
        return
    shown = _shown(name, alias)
    if shown not in made["properties"]:
        return
    field = made["properties"].pop(shown)
    paths = _paths(alias) + ([[name]] if by_name else [])
    for path in paths:
        # Several fields may be found in one place.
        made["properties"].setdefault(path[0], {})
        made.setdefault("allOf", []).append(_inside(path, field))
    if shown in made.get("required", []):
        made["required"].remove(shown)
        made["allOf"].append({"anyOf": [_reached(path) for path in paths]})


def _paths(alias: Any) -> list[Path]:
    if isinstance(alias, str):
        return [[alias]]
    return list(alias) if isinstance(alias[0], list) else [alias]


def _shown(name: str, alias: Any) -> str:
    """Return the name that pydantic's own schema has for it."""
    if isinstance(alias, str):
        return alias
    plain = [path[0] for path in alias if isinstance(path, list) and len(path) == 1]
    return str(plain[0]) if plain else name


def _inside(path: Path, field: JsonSchemaValue) -> JsonSchemaValue:
    """Return that what stands at the end of `path`, if anything does, is the field."""
    if not path:
        return field
    step, inner = path[0], _inside(path[1:], field)
    if isinstance(step, str):
        return {"properties": {step: inner}}
    # JSON Schema does not count from the end.
    return {"prefixItems": [True] * step + [inner]} if step >= 0 else {}


def _reached(path: Path) -> JsonSchemaValue:
    """Return that something stands at the end of `path`."""
    if not path:
        return {}
    step, inner = path[0], _reached(path[1:])
    if isinstance(step, str):
        return {"type": "object", "required": [step], "properties": {step: inner}}
    least = step + 1 if step >= 0 else -step
    items = [True] * step + [inner] if step >= 0 else [{}]
    return {"type": "array", "minItems": least, "prefixItems": items}
