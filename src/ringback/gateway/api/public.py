"""The routes of link holders and probes, as OpenAPI: they are plain Starlette."""

from typing import Any, Final

from ringback.gateway.api.bodies import takes, takes_json
from ringback.gateway.api.problems import OF_AN_ANSWER, problems
from ringback.gateway.body import FailureBody
from ringback.schemas import examples

_LINK: Final[dict[str, Any]] = {
    "name": "link",
    "in": "path",
    "required": True,
    "description": "The signed part of the URL that the activity gave out; the only credential.",
    "schema": {"type": "string"},
}
_PREFER: Final[dict[str, Any]] = {
    "name": "Prefer",
    "in": "header",
    "required": False,
    "description": "`wait=N`: wait for the verdict, or for a change, at most 60 seconds.",
    "schema": {"type": "string"},
    "example": "wait=10",
}
_KNOWN: Final[dict[str, Any]] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of what you know: 304 while nothing has changed.",
    "schema": {"type": "string"},
}
_RESULT: Final = takes_json("The result; without a body there is none.", examples.RESULT)
_REASON: Final = takes_json("The details of the cancellation.", examples.REASON)


def public_paths() -> dict[str, Any]:
    """Return the paths of link holders and of probes."""
    return {
        "/c/{link}": {
            "get": _view(),
            "post": _answer("answer_link", "Complete the activity", _RESULT),
        },
        "/c/{link}/complete": {"post": _answer("complete_link", "Complete the activity", _RESULT)},
        "/c/{link}/fail": {"post": _answer("fail_link", "Fail the activity", takes(FailureBody))},
        "/c/{link}/cancel": {
            "post": _answer("cancel_link", "Report that the work was canceled", _REASON)
        },
        "/c/{link}/heartbeat": {"post": _heartbeat()},
        "/healthz": {"get": _breaker("healthz", "The process answers", examples.HEALTHY)},
        "/readyz": {"get": _readyz()},
    }


def _view() -> dict[str, Any]:
    view = _reply("The state of the callback.", {"type": "object"}, examples.VIEW)
    view["content"]["text/html"] = {"schema": {"type": "string"}}
    unchanged = {"description": "Nothing has changed since the `ETag` in `If-None-Match`."}
    return {
        "tags": ["by link"],
        "operationId": "show_link",
        "summary": "Show the state of the callback; changes nothing",
        "parameters": [_LINK, _PREFER, _KNOWN],
        "responses": {"200": view, "304": unchanged, **_problems(404, 503)},
    }


def _answer(name: str, summary: str, body: dict[str, Any]) -> dict[str, Any]:
    receipt = {"$ref": "#/components/schemas/ReceiptOut"}
    return {
        "tags": ["by link"],
        "operationId": name,
        "summary": summary,
        "parameters": [_LINK, _PREFER],
        **body,
        "responses": {
            "200": _reply("Applied, or the same answer as before.", receipt),
            "202": _reply("Committed; Ringback delivers it to Temporal.", receipt),
            **_problems(*OF_AN_ANSWER, 422, 503),
        },
    }


def _heartbeat() -> dict[str, Any]:
    sign = {"$ref": "#/components/schemas/SignOut"}
    return {
        "tags": ["by link"],
        "operationId": "heartbeat_link",
        "summary": "Send a heartbeat",
        "parameters": [_LINK],
        **takes_json("The details.", examples.DETAILS),
        "responses": {
            "200": _reply("What Temporal replied last.", sign),
            **_problems(*OF_AN_ANSWER, 422, 503),
        },
    }


def _readyz() -> dict[str, Any]:
    breaker = _breaker("readyz", "The store works, so answers can be stored", examples.READY)
    not_ready = {"status": "not ready", "store": "unavailable"}
    breaker["responses"]["503"] = _reply("The store fails.", {"type": "object"}, not_ready)
    return breaker


def _breaker(name: str, summary: str, example: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["probes"],
        "operationId": name,
        "summary": summary,
        "responses": {"200": _reply("Yes.", {"type": "object"}, example)},
    }


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(status): told for status, told in problems(*statuses).items()}


def _reply(what: str, schema: dict[str, Any], example: object = None) -> dict[str, Any]:
    content = {"schema": schema} if example is None else {"schema": schema, "example": example}
    return {"description": what, "content": {"application/json": content}}
