"""Replies: what each error and each receipt looks like over HTTP."""

import logging
import re
from datetime import timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Match, Route

from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityCompletionError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
    CompletionRefusedError,
    CompletionUnansweredError,
    CompletionUnprovenError,
    UnusableTokenError,
)
from ringback.domain.durations import format_instant
from ringback.domain.errors import (
    ActivityGoneError,
    AnsweredDifferentlyError,
    AnswerTooLargeError,
    CannotExtendError,
    ConfigurationError,
    EncodingError,
    ExpiredCallbackError,
    GatewayRefusedError,
    GatewayUnavailableError,
    IllegalMoveError,
    MalformedAnswerError,
    MalformedRequestError,
    NoCancelRequestedError,
    NotAllowedError,
    NotParkedError,
    NotWiredError,
    ProgramEndedError,
    RefusedByTemporalError,
    RetryableError,
    RingbackError,
    StoreUnavailableError,
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
    TooManyBytesError,
    UnknownCallbackError,
    UnknownKeyError,
    UnreadableCallbackError,
    UnsupportedMediaTypeError,
    WrongResultError,
)
from ringback.gateway.page import for_reader

logger = logging.getLogger(__name__)

STATUS: Final[dict[type[RingbackError], int]] = {
    MalformedAnswerError: 400,
    UnknownKeyError: 401,
    NotAllowedError: 403,
    UnknownCallbackError: 404,
    AnsweredDifferentlyError: 409,
    CannotExtendError: 409,
    NoCancelRequestedError: 409,
    NotParkedError: 409,
    ActivityGoneError: 410,
    ExpiredCallbackError: 410,
    AnswerTooLargeError: 413,
    UnsupportedMediaTypeError: 415,
    MalformedRequestError: 422,
    RefusedByTemporalError: 422,
    WrongResultError: 422,
    EncodingError: 503,
    StoreUnavailableError: 503,
    TemporalBusyError: 503,
    TemporalMisconfiguredError: 503,
    TemporalUnreachableError: 503,
    TooManyBytesError: 503,
    UnreadableCallbackError: 500,
    # These mean a mistake of ours: no request should meet them.
    ConfigurationError: 500,
    IllegalMoveError: 500,
    NotWiredError: 500,
    ProgramEndedError: 500,
    # These are the clients', which the gateway does not use.
    GatewayRefusedError: 500,
    GatewayUnavailableError: 500,
    ActivityCancelledError: 500,
    ActivityCompletionError: 500,
    ActivityNotFoundError: 500,
    ActivityPausedError: 500,
    ActivityResetError: 500,
    CompletionRefusedError: 500,
    CompletionUnansweredError: 500,
    CompletionUnprovenError: 500,
    UnusableTokenError: 500,
}

_TRY_AGAIN: Final[dict[type[RingbackError], str]] = {
    EncodingError: "the data converter cannot encode it now; send the same again",
    StoreUnavailableError: "it cannot be kept now; send the same again",
    TemporalBusyError: "Temporal takes no more for now; send the same again",
    TemporalMisconfiguredError: (
        "the gateway reaches a Temporal server that does not serve this namespace or rejects the "
        "gateway; its operator must correct that; then send the same again"
    ),
    TemporalUnreachableError: "Temporal does not answer now; send the same again",
}

_LATER: Final = "it may work later; send the same again"

_NOT_FOUND_DETAIL: Final = "there is nothing here, or this link does not allow it"
_UNKNOWN: Final = "there is no such callback"
_RETRY_AFTER: Final = timedelta(seconds=2)


def problem(status: int, kind: str, detail: str, **more: Any) -> JSONResponse:
    """Return problem details (RFC 9457); `kind` is in words, `more` are its own members."""
    content = {
        "type": f"urn:ringback:{kind.replace(' ', '-')}",
        "title": kind,
        "status": status,
        "detail": detail,
        **more,
    }
    return JSONResponse(content, status, media_type="application/problem+json")


def to_problem(error: RingbackError) -> JSONResponse:
    """Return the problem details of `error`, as a stranger may see them."""
    if isinstance(error, UnknownCallbackError):
        return not_found()
    return _to_reply(error, _detail(error))


def to_known_problem(error: RingbackError) -> JSONResponse:
    """Return the problem details of `error`, for who has an API key: with everything it says."""
    return _to_reply(error, str(error) or _UNKNOWN)


def _to_reply(error: RingbackError, detail: str) -> JSONResponse:
    reply = problem(STATUS[type(error)], _in_words(type(error)), detail, **_members(error))
    if isinstance(error, RetryableError):
        after = error.retry_after or _RETRY_AFTER
        reply.headers["retry-after"] = str(max(1, round(after.total_seconds())))
    if isinstance(error, UnknownKeyError):
        reply.headers["www-authenticate"] = 'Bearer realm="ringback"'
    return reply


def not_found() -> JSONResponse:
    """Return the one reply to everything that is not there."""
    return problem(404, "not found", _NOT_FOUND_DETAIL)


def stopping() -> JSONResponse:
    """Return the reply to a request that did not finish before the gateway stopped."""
    reply = problem(503, "stopping", "the gateway is stopping; send the same again")
    reply.headers["retry-after"] = str(round(_RETRY_AFTER.total_seconds()))
    return reply


async def on_ringback_error(request: Request, exc: Exception) -> Response:
    """Answer a request that met one of Ringback's errors."""
    assert isinstance(exc, RingbackError), "registered for these only"
    return for_reader(request, to_problem(exc))


async def on_not_found(request: Request, __: Exception) -> Response:
    """Answer a request for what is no route: exactly as for a link that is not good."""
    return for_reader(request, not_found())


async def on_method_not_allowed(request: Request, _: Exception) -> Response:
    """Answer a request with a method that no route of this path has."""
    reply = problem(405, "method not allowed", "the reply's header Allow names the methods")
    reply.headers["allow"] = ", ".join(sorted(_allowed_methods(request)))
    return for_reader(request, reply)


def _allowed_methods(request: Request) -> set[str]:
    # Starlette names those of the first route only, and a path may have several.
    routes = (one for one in request.app.router.routes if isinstance(one, Route))
    at_this_path = (one for one in routes if one.matches(request.scope)[0] is not Match.NONE)
    return {method for route in at_this_path for method in route.methods or ()}


async def on_bug(request: Request, __: Exception) -> Response:
    """Answer a request that met a mistake of ours, and tell nothing of it."""
    detail = "this is a mistake of the gateway's; nothing is known to be kept"
    return for_reader(request, problem(500, "internal error", detail))


def _detail(error: RingbackError) -> str:
    """Return what a stranger may know: what the database and the network say names hosts."""
    if isinstance(error, RetryableError) and error.retry_after is None:
        logger.warning("request refused: %s", error)
        return _TRY_AGAIN.get(type(error), _LATER)
    return str(error)


def _members(error: RingbackError) -> dict[str, Any]:
    match error:
        case AnsweredDifferentlyError(accepted_at=at):
            return {"accepted_at": format_instant(at)}
        case ExpiredCallbackError(reason=reason, expired_at=at):
            return {"reason": reason, "expired_at": format_instant(at)}
        case AnswerTooLargeError(limit=limit):
            return {"limit": limit}
        case WrongResultError(problems=problems) | MalformedRequestError(problems=problems):
            return {"errors": [{"pointer": one.path, "detail": one.message} for one in problems]}
        case _:
            return {}


def _in_words(kind: type[RingbackError]) -> str:
    words = re.findall(r"[A-Z][a-z]+", kind.__name__.removesuffix("Error"))
    return " ".join(words).lower()
