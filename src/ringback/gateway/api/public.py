"""The public routes, as OpenAPI: they are plain Starlette, so what they do is written down here."""

from typing import Any, Final

from ringback.gateway.api import examples
from ringback.gateway.api.described import OF_AN_ANSWER, problem, takes, takes_json
from ringback.gateway.body import FailureBody

_JSON: Final = "application/json"

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
    "description": "`wait=N`: be told the end of it, or of a change, for at most 60 seconds.",
    "schema": {"type": "string"},
    "example": "wait=10",
}
_KNOWN: Final[dict[str, Any]] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of what is known: 304 while nothing has changed.",
    "schema": {"type": "string"},
}
_OF_AN_ANSWER: Final = (*OF_AN_ANSWER, 422, 503)


def public_paths() -> dict[str, Any]:
    """Return the paths of who holds a link, and of probes."""
    complete = takes_json("The result; without a body there is none.", examples.RESULT)
    return {
        "/c/{link}": {
            "get": _view(),
            "post": _answer("complete_by_link", "Complete the activity", complete),
        },
        "/c/{link}/complete": {
            "post": _answer("complete", "Complete the activity", complete),
        },
        "/c/{link}/fail": {
            "post": _answer("fail", "Fail the activity", takes(FailureBody, examples.FAILURE)),
        },
        "/c/{link}/cancel": {
            "post": _answer(
                "cancel",
                "Report that the work was canceled",
                takes_json("The details of the cancellation.", examples.REASON),
            ),
        },
        "/c/{link}/heartbeat": {"post": _heartbeat()},
        "/healthz": {"get": _probe("The process answers", examples.HEALTHY, {})},
        "/readyz": {
            "get": _probe(
                "The store works, so answers can be kept",
                examples.READY,
                {
                    "503": _reply(
                        "The store cannot be reached.",
                        {"type": "object"},
                        {"status": "not ready", "store": "unavailable"},
                    )
                },
            )
        },
    }


def _view() -> dict[str, Any]:
    told = _reply("How it stands.", {"type": "object"}, examples.VIEW)
    told["content"]["text/html"] = {"schema": {"type": "string"}}
    return {
        "tags": ["by link"],
        "operationId": "view_by_link",
        "summary": "Tell how the callback stands; changes nothing",
        "parameters": [_LINK, _PREFER, _KNOWN],
        "responses": {
            "200": told,
            "304": {"description": "It stands as `If-None-Match` has it."},
            **_problems(404, 503),
        },
    }


def _answer(name: str, summary: str, body: dict[str, Any]) -> dict[str, Any]:
    receipt = {"$ref": "#/components/schemas/ReceiptOut"}
    return {
        "tags": ["by link"],
        "operationId": f"{name}_of_link",
        "summary": summary,
        "parameters": [_LINK, _PREFER],
        "requestBody": body,
        "responses": {
            "200": _reply("Applied, or the same answer as before.", receipt, examples.RECEIPT),
            "202": _reply("Committed, and on its way to Temporal.", receipt, examples.RECEIPT),
            **_problems(*_OF_AN_ANSWER),
        },
    }


def _heartbeat() -> dict[str, Any]:
    sign = {"$ref": "#/components/schemas/SignOut"}
    return {
        "tags": ["by link"],
        "operationId": "heartbeat_of_link",
        "summary": "Give a sign of life",
        "parameters": [_LINK],
        "requestBody": takes_json("The details.", examples.DETAILS),
        "responses": {
            "200": _reply("What Temporal said last.", sign, examples.SIGN),
            **_problems(*_OF_AN_ANSWER),
        },
    }


def _probe(summary: str, example: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return {
        "tags": ["probes"],
        "summary": summary,
        "responses": {"200": _reply("Yes.", {"type": "object"}, example), **more},
    }


def _problems(*statuses: int) -> dict[str, Any]:
    return {str(status): problem(status) for status in sorted(statuses)}


def _reply(what: str, schema: dict[str, Any], example: object) -> dict[str, Any]:
    return {"description": what, "content": {_JSON: {"schema": schema, "example": example}}}
