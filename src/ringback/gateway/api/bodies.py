"""Request bodies as models: read with a limit and after the API key was checked.

FastAPI's own body parameters read any number of bytes, and they do so before the key is checked.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

from fastapi import Depends
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from ringback.domain.errors import MalformedRequestError, Problem
from ringback.gateway.body import read_json, run_apart
from ringback.gateway.gateway import Gateway, GatewayOf

M = TypeVar("M", bound=BaseModel)

SMALL: Final = 16 * 1024
"""Maximum bytes of a body that has no answer in it."""


@dataclass(frozen=True, slots=True)
class ReadBody:
    """A dependency that returns the body of a request as a model.

    Attributes:
        model: The model.
        limit: Returns the maximum bytes of a body.
    """

    model: type[BaseModel]
    limit: Callable[[Gateway], int] = lambda _: SMALL

    async def __call__(self, gateway: GatewayOf, request: Request) -> Any:
        """Return the body; raise what `read_model` raises."""
        model, _ = await read_model(request, self.model, limit=self.limit(gateway))
        return model


class ReadExactBody(ReadBody):
    """A dependency that also returns the bytes that were sent."""

    __slots__ = ()

    async def __call__(self, gateway: GatewayOf, request: Request) -> Any:
        """Return the body as a model and as bytes; raise what `read_model` raises."""
        return await read_model(request, self.model, limit=self.limit(gateway))


# A type checker reads what a route gets; FastAPI reads where it comes from.
if TYPE_CHECKING:
    Body = Annotated[M, ReadBody]
    ExactBody = Annotated[tuple[M, bytes], ReadExactBody]
else:

    class Body:
        """`Body[M]`: a parameter of a route, the body as an `M` of at most `SMALL` bytes."""

        def __class_getitem__(cls, model: type[M]) -> Any:
            return Annotated[model, Depends(ReadBody(model))]

    class ExactBody:
        """`ExactBody[M]`: a body that may contain an answer, as an `M` and as bytes."""

        def __class_getitem__(cls, model: type[M]) -> Any:
            read = ReadExactBody(model, lambda gateway: gateway.body_limit)
            return Annotated[tuple[model, bytes], Depends(read)]


async def read_model(request: Request, model: type[M], *, limit: int) -> tuple[M, bytes]:
    """Return the body as `model`, and as the bytes that were sent.

    Raises:
        AnswerTooLargeError: The body is longer than `limit` bytes.
        UnsupportedMediaTypeError: The headers declare something other than JSON in UTF-8.
        MalformedAnswerError: The body is not JSON.
        MalformedRequestError: The body does not fit `model`; the message says where.
    """
    body = await read_json(request, limit=limit) or b"{}"
    return await run_apart(body, lambda: _parse(model, body)), body


def to_malformed(errors: Iterable[Mapping[str, Any]]) -> MalformedRequestError:
    """Return the validation errors of pydantic or FastAPI as one error, without the input."""
    return MalformedRequestError([Problem(_to_pointer(one["loc"]), one["msg"]) for one in errors])


def _parse(model: type[M], body: bytes) -> M:
    try:
        return model.model_validate_json(body)
    except ValidationError as exc:
        malformed = to_malformed(exc.errors(include_input=False, include_url=False))
        raise malformed from None


def _to_pointer(location: tuple[str | int, ...]) -> str:
    """Return a JSON Pointer into the body, or the name of a parameter."""
    first, *rest = location or ("body",)
    if first in {"query", "path", "header"}:
        return str(rest[0]) if rest else str(first)
    inside = rest if first == "body" else location
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in inside)
    return "".join(f"/{part}" for part in parts)
