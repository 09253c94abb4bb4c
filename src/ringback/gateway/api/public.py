"""The routes of link holders and probes, as OpenAPI: they are plain Starlette."""

from typing import Any, Final

from ringback.gateway.api.bodies import takes, takes_json
from ringback.gateway.api.problems import OF_AN_ANSWER, problems
from ringback.gateway.body import FailureBody
from ringback.schemas import examples
from ringback.schemas.responses import ReceiptOut, SignOut

_ERRORS: Final = (*OF_AN_ANSWER, 422, 503)


def public_paths() -> dict[str, Any]:
    """Return the paths of link holders and of probes."""
    result = takes_json("The result; without a body there is none.", examples.RESULT)
    reason = takes_json("The details of the cancellation.", examples.REASON)
    paths = {
        "": {"get": _VIEW, "post": _answer("answer_link", "Complete the activity", result)},
        "/complete": {"post": _answer("complete_link", "Complete the activity", result)},
        "/fail": {"post": _answer("fail_link", "Fail the activity", takes(FailureBody))},
        "/cancel": {"post": _answer("cancel_link", "Report that the work was canceled", reason)},
        "/heartbeat": {"post": _HEARTBEAT},
    }
    return {f"/c/{{link}}{path}": described for path, described in paths.items()} | _PROBES


def _parameter(where: str, name: str, description: str) -> dict[str, Any]:
    is_required = where == "path"
    schema = {"type": "string"}
    return {"name": name, "in": where, "required": is_required, "schema": schema} | {
        "description": description
    }


def _operation(
    about: tuple[str, str, str], replies: dict[int, Any], *errors: int
) -> dict[str, Any]:
    tag, name, summary = about
    described = {str(status): one for status, one in (replies | problems(*errors)).items()}
    return {"tags": [tag], "operationId": name, "summary": summary, "responses": described}


def _reply(description: str, model: type | None = None, example: object = None) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{model.__name__}"} if model else {"type": "object"}
    content = {"schema": schema} | ({} if example is None else {"example": example})
    return {"description": description, "content": {"application/json": content}}


def _answer(name: str, summary: str, body: dict[str, Any]) -> dict[str, Any]:
    replies = {
        200: _reply("Applied, or the same answer as before.", ReceiptOut),
        202: _reply("Committed; Ringback delivers it to Temporal.", ReceiptOut),
    }
    operation = _operation(("by link", name, summary), replies, *_ERRORS)
    return operation | body | {"parameters": [_LINK, _PREFER]}


_LINK: Final = _parameter("path", "link", "The signed part of a callback's URL; the credential.")
_PREFER: Final = _parameter(
    "header", "Prefer", "`wait=10`: wait for the verdict or a change, at most 60 seconds."
)
_KNOWN: Final = _parameter(
    "header", "If-None-Match", "The `ETag` of what you know: 304 while nothing has changed."
)
_STATE: Final = _reply("The state of the callback.", example=examples.VIEW)
_STATE["content"]["text/html"] = {"schema": {"type": "string"}}
_UNCHANGED: Final = {"description": "Nothing has changed since the `ETag` in `If-None-Match`."}
_VIEW: Final = _operation(
    ("by link", "show_link", "Show the state of the callback; changes nothing"),
    {200: _STATE, 304: _UNCHANGED},
    *(404, 503),
) | {"parameters": [_LINK, _PREFER, _KNOWN]}
_HEARTBEAT: Final = (
    _operation(
        ("by link", "heartbeat_link", "Send a heartbeat"),
        {200: _reply("What Temporal replied last.", SignOut)},
        *_ERRORS,
    )
    | takes_json("The details.", examples.DETAILS)
    | {"parameters": [_LINK]}
)
_NOT_READY: Final = _reply(
    "The store fails.", example={"status": "not ready", "store": "unavailable"}
)
_READY: Final = {200: _reply("Yes.", example=examples.READY), 503: _NOT_READY}
_HEALTHY: Final = {200: _reply("Yes.", example=examples.HEALTHY)}
_PROBES: Final = {
    "/healthz": {"get": _operation(("probes", "healthz", "The process answers"), _HEALTHY)},
    "/readyz": {"get": _operation(("probes", "readyz", "Answers can be stored"), _READY)},
}
