"""The names by which pydantic finds a field: an alias, several of them, a path into the JSON."""

from typing import Any, Final

from pydantic.json_schema import JsonSchemaValue

_ANYTHING: Final[JsonSchemaValue] = {}


def rename(made: JsonSchemaValue, name: str, alias: Any, *, by_name: bool) -> None:
    """Let `made`, the schema of an object, find the field `name` by each of its names.

    pydantic's own schema knows one name of each. What stands at the end of a path is not looked at.

    Args:
        made: Is changed.
        name: The field's own name.
        alias: How the field is found, as pydantic keeps it: a name, a path, or several paths.
        by_name: Whether its own name serves as well.
    """
    if alias is None or (isinstance(alias, str) and not by_name):
        return
    paths = _paths(alias) + ([[name]] if by_name else [])
    shown = _shown(name, alias)
    if shown not in made["properties"]:
        return
    field = made["properties"].pop(shown)
    for path in paths:
        made["properties"].setdefault(path[0], field if len(path) == 1 else _ANYTHING)
    _require_one_of(made, shown, sorted({path[0] for path in paths}))


def _paths(alias: Any) -> list[list[Any]]:
    if isinstance(alias, str):
        return [[alias]]
    return list(alias) if isinstance(alias[0], list) else [list(alias)]


def _shown(name: str, alias: Any) -> str:
    """Return the name that pydantic's own schema has for it."""
    if isinstance(alias, str):
        return alias
    plain = [path[0] for path in alias if isinstance(path, list) and len(path) == 1]
    return str(plain[0]) if plain else name


def _require_one_of(made: JsonSchemaValue, shown: str, names: list[Any]) -> None:
    if shown not in made.get("required", []):
        return
    made["required"].remove(shown)
    if len(names) == 1:
        made["required"].append(names[0])
    else:
        one = {"anyOf": [{"required": [name]} for name in names]}
        made.setdefault("allOf", []).append(one)
