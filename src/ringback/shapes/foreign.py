"""Schemas from elsewhere: are they good enough to judge results by?"""

from typing import Any

from jsonschema_rs import Draft202012Validator, ReferencingError
from pydantic_core import from_json

from ringback.shapes.formats import FORMATS
from ringback.shapes.pydantic_json import PYDANTIC


def why_unusable(schema: str) -> str | None:
    """Return why results cannot be judged by the text `schema`; `None` if they can. Total."""
    try:
        if _has_name(from_json(schema), PYDANTIC):
            # Its rules are programs of pydantic's, which nobody else is to give us. It is refused
            # as any name: a reference can make a schema of whatever stands in the text.
            return f"the name {PYDANTIC!r} is reserved"
        Draft202012Validator(schema, offline=True, formats=FORMATS, validate_formats=True)
    except (ValueError, ReferencingError):
        return "it is no JSON Schema (2020-12), or it refers to one that is elsewhere"
    return None


def _has_name(value: Any, name: str) -> bool:
    if isinstance(value, dict):
        return name in value or any(_has_name(inner, name) for inner in value.values())
    return isinstance(value, list) and any(_has_name(inner, name) for inner in value)
