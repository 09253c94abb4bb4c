"""Described: what OpenAPI says of a route besides its path and parameters."""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel

from ringback.domain.api_key import ALLOWED, Act, Role
from ringback.gateway.api import examples

_SCHEMAS: Final = "#/components/schemas/"
_JSON: Final = "application/json"
_PROBLEM: Final = "application/problem+json"

MEANINGS: Final[dict[int, str]] = {
    400: "The body cannot be read; `detail` says where.",
    401: "No API key, or none that is good.",
    403: "The role of the key does not allow this.",
    404: "There is no such callback; or the link is unknown, edited, expired or not good for this.",
    409: "It stands where this cannot be done; `detail` says why.",
    410: "Nobody waits any more; `detail` says why.",
    413: "The body, or what Temporal would get of it, is too large.",
    415: "The body is declared as something that is not JSON.",
    422: "It cannot be used; `errors` says what is wrong, and where.",
    503: "The store or Temporal cannot be reached. Send it again after `Retry-After` seconds.",
}

BEHIND_A_KEY: Final = (401, 403, 422, 503)
"""What every route of the operator API may reply."""

OF_AN_ANSWER: Final = (400, 404, 409, 410, 413, 415)
"""What a route that takes an answer may reply besides."""


def described(
    act: Act,
    summary: str,
    reply: type[BaseModel] | None,
    *,
    example: Mapping[str, Any] | None = None,
    body: dict[str, Any] | None = None,
    problems: tuple[int, ...] = (),
    accepted: bool = False,
) -> dict[str, Any]:
    """Return what `add_api_route` is told, for a route that does `act` and replies a `reply`.

    Without a `reply` it is 204.

    A route reads its body itself, with a limit and to the byte, so what it takes is told here.
    The example goes through FastAPI as text: it drops what is null. `with_examples` reads it.
    """
    shown = {_JSON: {"example": json.dumps(example)}}
    responses: dict[int, Any] = {} if reply is None else {200: {"content": shown}}
    if accepted:
        responses[202] = {
            "model": reply,
            "description": "Committed, and on its way to Temporal.",
            "content": shown,
        }
    responses |= {status: problem(status) for status in sorted({*BEHIND_A_KEY, *problems})}
    return {
        "summary": summary,
        "status_code": 204 if reply is None else 200,
        "response_model": reply,
        "responses": responses,
        "openapi_extra": {
            "x-roles": [role.value for role in Role if act in ALLOWED[role]],
            **({} if body is None else {"requestBody": body}),
        },
    }


def with_examples(document: dict[str, Any]) -> dict[str, Any]:
    """Return `document` with the examples of replies as what they are."""
    for operation in (one for item in document["paths"].values() for one in item.values()):
        for reply in operation["responses"].values():
            for content in reply.get("content", {}).values():
                if isinstance(content.get("example"), str):
                    content["example"] = json.loads(content["example"])
    return document


def problem(status: int) -> dict[str, Any]:
    """Return what OpenAPI says of an error."""
    example = {"status": status, **examples.PROBLEMS[status]}
    content = {_PROBLEM: {"schema": {"$ref": f"{_SCHEMAS}ProblemOut"}, "example": example}}
    return {"description": MEANINGS[status], "content": content}


def takes(model: type[BaseModel], example: Mapping[str, Any]) -> dict[str, Any]:
    """Return what OpenAPI says of a body that is a `model`."""
    content = {"schema": {"$ref": f"{_SCHEMAS}{model.__name__}"}, "example": example}
    return {"required": True, "content": {_JSON: content}}


def takes_json(what: str, example: object) -> dict[str, Any]:
    """Return what OpenAPI says of a body that is any JSON, or nothing."""
    content = {"schema": {"description": what}, "example": example}
    return {"required": False, "description": what, "content": {_JSON: content}}
