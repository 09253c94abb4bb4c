"""Whether a tool's activity can decode the arguments that people approved."""

import inspect
import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

_MOST_PROBLEMS: Final = 10


def why_not_fit(
    tool: str, signature: inspect.Signature | None, arguments: Mapping[str, Any]
) -> str | None:
    """Return what to tell the model if the arguments do not fit the function; `None` if they do.

    The JSON Schema of a tool says less than its types, and an activity that cannot decode its
    arguments is retried for ever. Parameters without a type that pydantic knows are not checked.
    """
    parameters = {} if signature is None else signature.parameters
    wrong = [
        name
        for name, value in arguments.items()
        if name in parameters and not _is_fit(parameters[name].annotation, value)
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
    if annotation is inspect.Parameter.empty or isinstance(annotation, str):
        return True
    try:
        TypeAdapter(annotation).validate_json(json.dumps(value))
    except ValidationError:
        return False
    except PydanticUserError:
        return True
    return True
