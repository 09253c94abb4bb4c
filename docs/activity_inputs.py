"""The page of the activities that are called by name: their inputs and results, from the models."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel

from ringback.schemas.activity_inputs import AskIn, EventIn, WaitIn
from ringback.schemas.votes import DecisionOut

_INPUTS: Final[dict[str, type[BaseModel]]] = {
    "ringback.ask": AskIn,
    "ringback.wait": WaitIn,
    "ringback.event": EventIn,
}
_DOES: Final = {
    "ringback.ask": "People approve or reject. The result is a [decision](#decision).",
    "ringback.wait": "A link is sent to a URL by POST. The result is the answer.",
    "ringback.event": "An event of a source, or an answer by alias, is waited for. The result is"
    " that answer.",
}


def text() -> str:
    """Return the page below its heading."""
    inputs = {name: model.model_json_schema() for name, model in _INPUTS.items()}
    common = set.intersection(*(set(schema["properties"]) for schema in inputs.values()))
    common -= {name for name in common if len({_meaning(one, name) for one in inputs.values()}) > 1}
    parts = [
        "[Wait in a workflow of any language](../howto/activities-by-name.md) has programs in"
        " TypeScript and Python. Each activity takes one JSON object. A member that it does not"
        " know fails the activity with type `InvalidInput`.\n"
    ]
    for name, schema in inputs.items():
        required = schema.get("required", [])
        own = [one for one in schema["properties"] if one not in {*common, *required}]
        own = [*required, *own]
        parts += [f"## `{name}`\n", f"{_DOES[name]}\n", _table(schema, own)]
    some = inputs["ringback.ask"]
    parts += [
        "## All three\n",
        _table(some, sorted(common)),
        "Durations are seconds, or text such as `90m`, `1h30m`, `2d` or `PT2H`.\n",
        "## Decision\n",
        "What `ringback.ask` returns:\n",
        _table(DecisionOut.model_json_schema(), DecisionOut.model_fields),
        "## JSON Schemas\n",
        f"{', '.join(f'[{name}](activities/{name}.json)' for name in schemas())}.\n",
    ]
    return "\n".join(parts)


def schemas() -> dict[str, str]:
    """Return the JSON Schema of each input and of the decision, by its name."""
    models: dict[str, type[BaseModel]] = {**_INPUTS, "decision": DecisionOut}
    return {
        name: f"{json.dumps(model.model_json_schema(), indent=2)}\n"
        for name, model in models.items()
    }


def _meaning(schema: Mapping[str, Any], name: str) -> str:
    found: str = schema["properties"][name].get("description", "")
    is_required = name in schema.get("required", ())
    return f"{found} **Required.**" if is_required else found


def _table(schema: Mapping[str, Any], names: Iterable[str]) -> str:
    lines = ["| Member | Default | Meaning |", "|---|---|---|"]
    for name in names:
        member = schema["properties"][name]
        shown = f"`{json.dumps(member['default'])}`" if "default" in member else ""
        lines.append(f"| `{name}` | {shown} | {_meaning(schema, name)} |")
    return "\n".join(lines) + "\n"
