"""Bodies: what the outside sent, as an outcome, or a clear reason why not.

Total: whatever the bytes, reading them returns or raises a `MalformedAnswerError`.
"""

import asyncio
import codecs
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, from_json
from starlette.datastructures import Headers
from starlette.requests import Request

from ringback.domain.durations import LONGEST_DURATION
from ringback.domain.errors import (
    AnswerTooLargeError,
    MalformedAnswerError,
    UnsupportedMediaTypeError,
)
from ringback.domain.exact_json import OUT_OF_RANGE, has_infinite_number, members
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.gateway.body_budget import claim_bytes

_JSON: Final = "application/json"
_CHARSET: Final = re.compile(r"\bcharset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii"})

LARGE: Final = 256 * 1024
"""From so many bytes on a body is read in a thread, so that no other request waits for it."""

T = TypeVar("T")


async def read_apart(body: bytes, read: Callable[[], T]) -> T:
    """Return what `read` makes of `body`; of a large one in a thread.

    Raises:
        Exception: What `read` raises.
    """
    return await asyncio.to_thread(read) if len(body) > LARGE else read()


async def read_json(request: Request, *, limit: int) -> bytes | None:
    """Return the body, checked to be one JSON value; `None` if it is empty.

    Raises:
        AnswerTooLargeError: It is longer than `limit` bytes.
        UnsupportedMediaTypeError: It is declared as something that is not JSON.
        MalformedAnswerError: It is not JSON.
    """
    body = (await _read(request, limit)).removeprefix(codecs.BOM_UTF8)
    if not body:
        return None
    _check_headers(request.headers)
    await read_apart(body, lambda: _parse(body))
    return body


def _check_headers(headers: Headers) -> None:
    encoding = headers.get("content-encoding", "").strip().lower()
    if encoding not in {"", "identity"}:
        msg = f"Content-Encoding {encoding} is not supported; send the body uncompressed"
        raise UnsupportedMediaTypeError(msg)
    media_type, _, parameters = headers.get("content-type", "").partition(";")
    media_type = media_type.strip().lower() or _JSON
    if media_type != _JSON and not media_type.endswith("+json"):
        msg = f"send the body as application/json, not as {media_type}"
        raise UnsupportedMediaTypeError(msg)
    charset = _CHARSET.search(parameters)
    if charset is not None and charset[1].lower() not in _UTF_8:
        msg = f"charset {charset[1]} is not supported; send JSON in UTF-8"
        raise UnsupportedMediaTypeError(msg)


def to_completed(body: bytes | None) -> Completed:
    """Return the outcome of a `complete`: the body is the result."""
    return Completed(body)


def to_canceled(body: bytes | None) -> Canceled:
    """Return the outcome of a `cancel`: the body is the details."""
    return Canceled(body)


def to_failed(body: bytes | None) -> Failed:
    """Return the outcome of a `fail`: the body is an object with at least `message`.

    Raises:
        MalformedAnswerError: The body is not such an object; the message says where.
    """
    try:
        failure = FailureBody.model_validate(_parse(body or b"{}"))
    except ValidationError as exc:
        raise MalformedAnswerError(_explain(exc)) from exc
    return Failed(
        message=failure.message,
        type=failure.type,
        non_retryable=failure.non_retryable,
        details=_to_details(body),
        next_retry_delay=failure.next_retry_delay,
    )


TO_OUTCOME: Final[dict[str, Callable[[bytes | None], Outcome]]] = {
    "complete": to_completed,
    "fail": to_failed,
    "cancel": to_canceled,
}
"""What makes an outcome of a body, by the verb that the body came with."""


class FailureBody(BaseModel):
    """How the activity fails."""

    model_config = ConfigDict(
        extra="forbid",
        arbitrary_types_allowed=True,
        json_schema_extra={
            "examples": [{"message": "card declined", "type": "Declined", "non_retryable": True}]
        },
    )

    message: Annotated[str, Field(strict=True, description="For people.")]
    type: Annotated[str, Field(strict=True, min_length=1)] | None = Field(
        default=None, description="For code: retry policies and workflows match it."
    )
    non_retryable: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Whether Temporal must not run the activity again."
    )
    details: Any = Field(
        default=None, repr=False, description="An array is several details; else it is one."
    )
    next_retry_delay: Annotated[timedelta, Field(ge=timedelta(0), le=LONGEST_DURATION)] | None = (
        Field(default=None, description="Seconds, or an ISO 8601 duration.")
    )


def _to_details(body: bytes | None) -> bytes | None:
    # As they were written. An array is several details, as the SDK has them; else it is one.
    details = members(body or b"{}").get("details")
    if details is None or details.startswith(b"["):
        return details
    return b"[" + details + b"]"


def _explain(exc: ValidationError) -> str:
    problems = exc.errors(include_input=False, include_url=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'the body'}: {_say(problem)}"
        for problem in problems
    )


def _say(problem: ErrorDetails) -> str:
    # pydantic's own text names the class.
    return "send a JSON object" if problem["type"] == "model_type" else problem["msg"]


def _parse(body: bytes) -> Any:
    if body.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in body[:4]:
        msg = "the body is not in UTF-8 but looks like UTF-16 or UTF-32; send JSON in UTF-8"
        raise MalformedAnswerError(msg)
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as exc:
        msg = f"the body is not JSON: {exc}"
        raise MalformedAnswerError(msg) from exc
    if has_infinite_number(body):
        raise MalformedAnswerError(OUT_OF_RANGE)
    return value


async def _read(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    is_declared = declared.isdecimal()
    if is_declared:
        if int(declared) > limit:
            raise AnswerTooLargeError(limit)
        claim_bytes(request, int(declared))
    chunks: list[bytes] = []
    size = 0
    is_whole = False
    while not is_whole:
        # Starlette's own stream makes three objects for each body.
        message = await request.receive()
        if message["type"] == "http.disconnect":
            msg = "the sender hung up before the body had come"
            raise MalformedAnswerError(msg)
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > limit:
            raise AnswerTooLargeError(limit)
        if not is_declared:
            claim_bytes(request, size)
        is_whole = not message.get("more_body", False)
    return b"".join(chunks)
