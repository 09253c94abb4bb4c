"""The reference as a page: made from the OpenAPI document, without a script or another server."""

import json
from typing import Any

from ringback.gateway.page import TEMPLATES


def reference_page(document: dict[str, Any]) -> str:
    """Return the page that shows all that `document` describes."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, item in document["paths"].items():
        for method, told in item.items():
            for tag in told["tags"]:
                groups.setdefault(tag, []).append(_operation(method, path, told))
    return TEMPLATES.get_template("reference.html").render(about=document["info"], groups=groups)


def _operation(method: str, path: str, told: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": f"{method.upper()} {path}",
        "summary": told["summary"],
        "description": told.get("description", ""),
        "roles": ", ".join(told.get("x-roles", [])),
        "parameters": [one for one in told.get("parameters", []) if one["in"] != "path"],
        "body": _example(told.get("requestBody")),
        "replies": [
            {"status": status, "what": reply["description"], "example": _example(reply)}
            for status, reply in told["responses"].items()
        ],
    }


def _example(described: dict[str, Any] | None) -> str | None:
    for content in (described or {}).get("content", {}).values():
        if "example" in content:
            return json.dumps(content["example"], indent=2, ensure_ascii=False)
    return None
