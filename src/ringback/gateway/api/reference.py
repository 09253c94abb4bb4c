"""The reference as a page: made from the OpenAPI document, without a script or another server.

FastAPI's own page loads scripts from a public server, which this gateway's readers may not reach.
"""

import json
from typing import Any

from ringback.gateway.page import TEMPLATES


def reference_page(document: dict[str, Any]) -> str:
    """Return the page that shows all that `document` describes."""
    groups: dict[str, list[dict[str, Any]]] = {}
    schemas = document["components"]["schemas"]
    for path, item in document["paths"].items():
        for method, told in item.items():
            shown = _operation(f"{method.upper()} {path}", told, schemas)
            groups.setdefault(told["tags"][0], []).append(shown)
    return TEMPLATES.get_template("reference.html").render(about=document["info"], groups=groups)


def example_of(content: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Return the example of a media type or, without one, that of its schema; `None` if none."""
    schema = content["schema"]
    schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return content.get("example", next(iter(schema.get("examples", [])), None))


def _operation(name: str, told: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "summary": told["summary"],
        "description": told.get("description", ""),
        "roles": ", ".join(told.get("x-roles", [])),
        "parameters": [one for one in told.get("parameters", []) if one["in"] != "path"],
        "body": _shown(told.get("requestBody", {}), schemas),
        "replies": [
            {"status": status, "what": reply["description"], "example": _shown(reply, schemas)}
            for status, reply in told["responses"].items()
        ],
    }


def _shown(described: dict[str, Any], schemas: dict[str, Any]) -> str | None:
    for content in described.get("content", {}).values():
        example = example_of(content, schemas)
        if example is not None:
            return json.dumps(example, indent=2, ensure_ascii=False)
    return None
