"""Whether a tool's activity can decode the arguments that people approved."""

import json
from collections.abc import Mapping
from typing import Any, Final, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

_MOST_PROBLEMS: Final = 10


def to_types(annotated: Any) -> dict[str, Any] | None:
    """Return the types of a function's parameters, by name; `None` if one cannot be found.

    In a module with `from __future__ import annotations` they are text, which may name what only
    that module knows. Nobody may change arguments that cannot be checked.
    """
    try:
        return get_type_hints(annotated, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return None


def why_not_fit(tool: str, types: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Return what to tell the model if the arguments do not fit these types; `None` if they do.

    The JSON Schema of a tool says less than its types, and an activity that cannot decode its
    arguments is retried for ever. Arguments without a type that pydantic knows are not checked.
    """
    wrong = [
        name
        for name, value in arguments.items()
        if name in types and not _is_fit(types[name], value)
    ]
    if not wrong:
        return None
    return f"The arguments do not fit {tool}: {', '.join(wrong)}. Nothing ran."


def say_misfit(tool: str, error: ValidationError) -> str:
    """Return what to tell the model about arguments that a function could not be called with."""
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    named = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in problems[:_MOST_PROBLEMS]]
    return f"The arguments do not fit {tool}: {'; '.join(named)}. Nothing ran."


def _is_fit(annotation: Any, value: object) -> bool:
    try:
        TypeAdapter(annotation).validate_json(json.dumps(value))
    except ValidationError:
        return False
    except PydanticUserError:
        return True
    return True
