"""Request bodies: read with a limit, as a model, and never repeated in an error."""

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from ringback.domain.errors import MalformedRequestError, Problem
from ringback.domain.exact_json import members
from ringback.gateway.body import read_apart, read_json

M = TypeVar("M", bound=BaseModel)

_JSON: Final = "application/json"
_SMALL: Final = 16 * 1024


def json_body(model: type[BaseModel]) -> Any:
    """Return a dependency: a small body, read as `model` after the API key was checked.

    FastAPI's own body parameter would read any number of bytes, and before it checks the key.
    """

    async def read(request: Request) -> BaseModel:
        asked, _ = await read_model(request, model, limit=_SMALL)
        return asked

    return Depends(read)


async def read_model(request: Request, model: type[M], *, limit: int) -> tuple[M, bytes]:
    """Return the body as `model`, and as the bytes that were sent.

    Raises:
        AnswerTooLargeError: It is longer than `limit` bytes.
        UnsupportedMediaTypeError: It is declared as something that is not JSON.
        MalformedAnswerError: It is not JSON.
        MalformedRequestError: It does not fit `model`; the message says where.
    """
    body = await read_json(request, limit=limit) or b"{}"
    return await read_apart(body, lambda: _parse(model, body)), body


def to_malformed(errors: Iterable[Mapping[str, Any]]) -> MalformedRequestError:
    """Return the validation errors of pydantic or FastAPI as one error, without the input."""
    return MalformedRequestError([Problem(_path(one["loc"]), one["msg"]) for one in errors])


def raw(body: bytes, *path: str) -> bytes | None:
    """Return the value at `path` in an object exactly as it was written; `None` if absent."""
    for name in path:
        found = members(body).get(name)
        if found is None:
            return None
        body = found
    return body


def takes(model: type[BaseModel]) -> dict[str, Any]:
    """Return `openapi_extra` for a route that reads a `model` itself."""
    schema = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"requestBody": {"required": True, "content": {_JSON: {"schema": schema}}}}


def takes_json(what: str, example: object) -> dict[str, Any]:
    """Return `openapi_extra` for a route that reads any JSON, or no body."""
    content = {"schema": {"description": what, "examples": [example]}}
    return {
        "requestBody": {"required": False, "description": what, "content": {_JSON: content}},
    }


def _parse(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        malformed = to_malformed(exc.errors(include_input=False, include_url=False))
        raise malformed from None


def _path(location: tuple[str | int, ...]) -> str:
    """Return a JSON Pointer into the body, or the name of a parameter."""
    first, *rest = location or ("body",)
    if first in {"query", "path", "header"}:
        return str(rest[0]) if rest else str(first)
    inside = rest if first == "body" else location
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in inside)
    return "".join(f"/{part}" for part in parts)
