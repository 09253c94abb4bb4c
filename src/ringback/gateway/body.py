"""Bodies: reads what a sender sent, as JSON and as an outcome.

Whatever the bytes are, reading them returns a value or raises one of Ringback's errors.
"""

import asyncio
import codecs
import gc
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, Field, ValidationError
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
from ringback.domain.link import Verb
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.gateway.body_budget import SMALL, claim_bytes

_JSON: Final = "application/json"
_CHARSET: Final = re.compile(r"\bcharset\s*=\s*\"?([^\s;\"]+)", re.IGNORECASE)
_UTF_8: Final = frozenset({"utf-8", "utf8", "us-ascii"})

LARGE: Final = 256 * 1024
"""Parse bodies above this size in a thread, to keep the event loop responsive."""

_FEW: Final = 4 * 1024
"""Bodies up to this size have too few values to make the garbage collector run."""

_PARSER: Final = ThreadPoolExecutor(1, "ringback-parser")
"""Parses one large body at a time: as Python objects, 2 MiB of JSON may take 60 MB. The parser
holds Python's lock, so more threads would not be faster."""

T = TypeVar("T")


async def run_apart(body: bytes, read: Callable[[], T]) -> T:
    """Return the result of `read`, which parses `body`; run it in a thread if `body` is large.

    One large body is parsed at a time.

    Raises:
        Exception: What `read` raises.
    """
    if len(body) <= _FEW:
        return read()
    if len(body) <= LARGE:
        return _run_without_gc(read)
    return await asyncio.get_running_loop().run_in_executor(_PARSER, _run_without_gc, read)


def _run_without_gc(read: Callable[[], T]) -> T:
    """Return the result of `read`, without garbage collection meanwhile.

    The collector traverses what a parser makes again and again: 2 MiB of empty arrays take 0.03 s
    without it and 0.8 s with it, and nothing else runs during that time.
    """
    is_enabled = gc.isenabled()
    gc.disable()
    try:
        return read()
    finally:
        if is_enabled:
            gc.enable()


async def read_json(request: Request, *, limit: int) -> bytes | None:
    """Return the body, which is one JSON value; `None` if it is empty.

    Raises:
        AnswerTooLargeError: The body is longer than `limit` bytes.
        UnsupportedMediaTypeError: The headers declare something other than JSON in UTF-8.
        MalformedAnswerError: The body is not JSON, or the sender closed the connection.
    """
    body = (await read_body(request, limit=limit)).removeprefix(codecs.BOM_UTF8)
    if not body:
        return None
    _check_headers(request.headers)
    await run_apart(body, lambda: _check_json(body))
    return body


async def read_message(verb: Verb, raw: bytes) -> tuple[bytes | None, Outcome | None]:
    """Return the JSON in the body of a queue's message, and the outcome of other than heartbeats.

    It is what the route of `verb` accepts, whatever type its publisher declares.

    Raises:
        MalformedAnswerError: The body does not fit `verb`; the message says where.
    """
    body = raw.removeprefix(codecs.BOM_UTF8) or None
    if body is not None:
        await run_apart(body, lambda: _check_json(body))
    if verb is Verb.HEARTBEAT:
        return body, None
    return body, await run_apart(raw, lambda: TO_OUTCOME[verb](body))


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


def to_failed(body: bytes | None) -> Failed:
    """Return the outcome of a `fail`, whose body is a `FailureBody`.

    Raises:
        MalformedAnswerError: The body does not fit the model; the message says where.
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


TO_OUTCOME: Final[dict[Verb, Callable[[bytes | None], Outcome]]] = {
    Verb.COMPLETE: Completed,
    Verb.FAIL: to_failed,
    Verb.CANCEL: Canceled,
}
"""Converts the body of an answer to an outcome: a body is a result, a failure, or details."""


async def read_outcome(request: Request, verb: Verb, *, limit: int) -> Outcome:
    """Return the outcome that the body of `request` describes.

    Raises:
        AnswerTooLargeError: The body is longer than `limit` bytes.
        UnsupportedMediaTypeError: The headers declare something other than JSON in UTF-8.
        MalformedAnswerError: The body does not fit `verb`; the message says where.
    """
    body = await read_json(request, limit=limit)
    return await run_apart(body or b"", lambda: TO_OUTCOME[verb](body))


class FailureBody(BaseModel, extra="forbid"):
    """A failure of the activity."""

    message: Annotated[str, Field(strict=True, description="The message, for people.")]
    type: Annotated[str, Field(strict=True, min_length=1)] | None = Field(
        default=None, description="The error type, which retry policies and workflows match."
    )
    non_retryable: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="Whether Temporal must not retry the activity."
    )
    details: Any = Field(
        default=None,
        repr=False,
        description="An array is a list of details; else it is one.",
    )
    next_retry_delay: Annotated[timedelta, Field(ge=timedelta(0), le=LONGEST_DURATION)] | None = (
        Field(default=None, description="Seconds, or an ISO 8601 duration.")
    )


def _to_details(body: bytes | None) -> bytes | None:
    # Byte for byte. The SDK has a list of details, so any value but an array is a list of one.
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
    # pydantic's text contains the name of the class.
    return "send a JSON object" if problem["type"] == "model_type" else problem["msg"]


def _check_json(body: bytes) -> None:
    # Nothing may refer to the value when the next body is parsed.
    _parse(body)


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


async def read_body(request: Request, *, limit: int) -> bytes:
    """Return the body.

    Raises:
        AnswerTooLargeError: It is longer than `limit` bytes.
        MalformedAnswerError: The sender closed the connection before its end.
    """
    declared = request.headers.get("content-length", "")
    is_declared = declared.isdecimal()
    if is_declared:
        if int(declared) > limit:
            raise AnswerTooLargeError(limit)
        await claim_bytes(request, int(declared))
    # Not a list of chunks: freed ones would leave the heap in pieces, and joining them is a copy.
    body = BytesIO()
    size = 0
    is_complete = False
    while not is_complete:
        # Starlette's stream creates three objects for each body.
        message = await request.receive()
        if message["type"] == "http.disconnect":
            msg = "the sender closed the connection before the whole body had arrived"
            raise MalformedAnswerError(msg)
        size += body.write(message.get("body", b""))
        if size > limit:
            raise AnswerTooLargeError(limit)
        if not is_declared:
            await claim_bytes(request, size if size <= SMALL else max(limit, SMALL + 1))
        is_complete = not message.get("more_body", False)
    return body.getvalue()
