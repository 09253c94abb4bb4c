"""Whether a result type has a place for a no, by its JSON Schema.

A lenient schema accepts `{"approved": false}` for a type without such a field, and the workflow
would take the result for a yes.
"""

from collections.abc import Iterator
from typing import Any, Final

_CHOICES: Final = ("anyOf", "oneOf", "allOf")


def has_place_for_no(schema: object) -> bool:
    """Return whether a result that meets the schema can say no: by `approved`, or by `false`."""
    return any(map(_says_no, _parts(schema, schema, set())))


def _says_no(part: dict[str, Any]) -> bool:
    kinds = part.get("type")
    is_boolean = "boolean" in kinds if isinstance(kinds, list) else kinds == "boolean"
    properties = part.get("properties")
    return is_boolean or (isinstance(properties, dict) and "approved" in properties)


def _parts(schema: object, root: object, seen: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the schema, and all that it refers to or chooses from."""
    if not isinstance(schema, dict):
        return
    yield schema
    for choice in _CHOICES:
        for part in schema.get(choice, ()):
            yield from _parts(part, root, seen)
    reference = schema.get("$ref")
    if isinstance(reference, str) and reference not in seen:
        seen.add(reference)
        yield from _parts(_resolve(reference, root), root, seen)


def _resolve(reference: str, root: object) -> object:
    """Return the part that a reference within the schema leads to; `None` for another one."""
    found = root if reference.startswith("#") else None
    for name in reference.lstrip("#").split("/")[1:]:
        found = found.get(name) if isinstance(found, dict) else None
    return found
