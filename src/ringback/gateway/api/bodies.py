"""Bodies of requests: read with a limit, as a model, and never repeated in an error."""

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from ringback.domain.errors import MalformedRequestError, Problem
from ringback.domain.raw_json import members
from ringback.gateway.body import read_apart, read_json

M = TypeVar("M", bound=BaseModel)


async def read_model(request: Request, model: type[M], *, limit: int) -> tuple[M, bytes]:
    """Return the body as `model`, and as the bytes that it was sent as.

    Raises:
        AnswerTooLargeError: It is longer than `limit` bytes.
        UnsupportedMediaTypeError: It is declared as something that is not JSON.
        MalformedAnswerError: It is not JSON.
        MalformedRequestError: It is not what the route takes; the message says where.
    """
    body = await read_json(request, limit=limit) or b"{}"
    return await read_apart(body, lambda: parse(model, body)), body


def parse(model: type[M], body: bytes) -> M:
    """Return JSON as `model`.

    Raises:
        MalformedRequestError: It is none; the message says where.
    """
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        malformed = to_malformed(exc.errors(include_input=False, include_url=False))
        raise malformed from None


def to_malformed(errors: Iterable[Mapping[str, Any]]) -> MalformedRequestError:
    """Return what pydantic or FastAPI say is wrong as one error, without what was sent."""
    return MalformedRequestError([Problem(_path(one["loc"]), one["msg"]) for one in errors])


def raw(body: bytes, *path: str) -> bytes | None:
    """Return what stands at `path` in an object, exactly as it was written; `None` if nothing."""
    for name in path:
        found = members(body).get(name)
        if found is None:
            return None
        body = found
    return body


def _path(location: tuple[str | int, ...]) -> str:
    """Return a JSON Pointer into the body, or the name of a parameter."""
    first, *rest = location or ("body",)
    if first in {"query", "path", "header"}:
        return str(rest[0]) if rest else str(first)
    inside = rest if first == "body" else location
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in inside)
    return "".join(f"/{part}" for part in parts)
