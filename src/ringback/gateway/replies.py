"""Error replies: problem details (RFC 9457) for each of Ringback's errors."""

import logging
from datetime import timedelta
from math import ceil
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Match, Route

from ringback.domain import operation_errors
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
    QueueUnavailableError,
    RefusedByTemporalError,
    RetryableError,
    RingbackError,
    StoreUnavailableError,
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
    UnknownCallbackError,
    UnknownKeyError,
    UnreadableCallbackError,
    UnsupportedMediaTypeError,
    WrongResultError,
)
from ringback.domain.event_errors import (
    AliasFreedError,
    AliasInUseError,
    CannotReplayError,
    UnknownAliasError,
    UnknownEventError,
    UnknownSourceError,
)
from ringback.domain.people_errors import (
    ClaimedError,
    CrossSiteRequestError,
    IdentityProviderUnavailableError,
    NotAssignedError,
    NotSignedInError,
    PeopleDecideError,
    SignInRefusedError,
    SubjectChangedError,
    UnknownSessionError,
    UnknownSignInUrlError,
    VotedDifferentlyError,
    VoteWithdrawnError,
    WrongVoteError,
)
from ringback.domain.text_checks import error_words
from ringback.gateway.api.bodies import to_malformed
from ringback.gateway.identity.login import sign_in_path
from ringback.gateway.page import for_reader, wants_page

logger = logging.getLogger(__name__)

STATUS: Final[dict[type[RingbackError], int]] = {
    MalformedAnswerError: 400,
    NotSignedInError: 401,
    UnknownKeyError: 401,
    CrossSiteRequestError: 403,
    NotAllowedError: 403,
    SignInRefusedError: 403,
    NotAssignedError: 403,
    PeopleDecideError: 403,
    UnknownAliasError: 404,
    UnknownCallbackError: 404,
    UnknownEventError: 404,
    UnknownSessionError: 404,
    UnknownSourceError: 404,
    AliasInUseError: 409,
    AnsweredDifferentlyError: 409,
    CannotExtendError: 409,
    CannotReplayError: 409,
    ClaimedError: 409,
    NoCancelRequestedError: 409,
    NotParkedError: 409,
    operation_errors.StillNeededError: 409,
    SubjectChangedError: 409,
    VotedDifferentlyError: 409,
    VoteWithdrawnError: 409,
    ActivityGoneError: 410,
    AliasFreedError: 410,
    operation_errors.DeletedCallbackError: 410,
    ExpiredCallbackError: 410,
    UnknownSignInUrlError: 410,
    AnswerTooLargeError: 413,
    UnsupportedMediaTypeError: 415,
    MalformedRequestError: 422,
    RefusedByTemporalError: 422,
    WrongResultError: 422,
    WrongVoteError: 422,
    operation_errors.TooManyRequestsError: 429,
    EncodingError: 503,
    IdentityProviderUnavailableError: 503,
    StoreUnavailableError: 503,
    TemporalBusyError: 503,
    TemporalMisconfiguredError: 503,
    TemporalUnreachableError: 503,
    operation_errors.TooManyBytesError: 503,
    UnreadableCallbackError: 500,
    # These mean a bug in the gateway.
    ConfigurationError: 500,
    IllegalMoveError: 500,
    NotWiredError: 500,
    ProgramEndedError: 500,
    # The gateway never raises these: its clients do.
    GatewayRefusedError: 500,
    GatewayUnavailableError: 500,
    QueueUnavailableError: 500,
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
    EncodingError: "the data converter cannot encode the body now; send the same again",
    IdentityProviderUnavailableError: (
        "the identity provider cannot be reached, or it sent something unusable; sign in again"
    ),
    StoreUnavailableError: "the store is unavailable; send the same again",
    TemporalBusyError: "Temporal is overloaded; send the same again",
    TemporalMisconfiguredError: (
        "the Temporal server does not serve this namespace, or it rejects the gateway; its operator"
        " must correct that; then send the same again"
    ),
    TemporalUnreachableError: "Temporal cannot be reached; send the same again",
}

_LATER: Final = "the gateway cannot do this now; send the same again"

_NOT_FOUND_DETAIL: Final = "there is nothing here, or this link does not allow it"
_UNKNOWN: Final = "the callback does not exist"
_BUG: Final = "a bug in the gateway; it is unknown whether anything was stored"
_RETRY_AFTER: Final = timedelta(seconds=2)


def problem(status: int, title: str, detail: str, **members: Any) -> JSONResponse:
    """Return problem details; `members` are further members of the JSON."""
    content = {
        "type": f"urn:ringback:{title.replace(' ', '-')}",
        "title": title,
        "status": status,
        "detail": detail,
        **members,
    }
    return JSONResponse(content, status, media_type="application/problem+json")


def to_problem(error: RingbackError) -> JSONResponse:
    """Return the problem details of `error` for anyone: without what only operators may know."""
    if isinstance(error, UnknownCallbackError):
        return not_found()
    return _to_reply(error, _public_detail(error))


def to_full_problem(error: RingbackError) -> JSONResponse:
    """Return the problem details of `error` for clients with an API key, with the whole message."""
    return _to_reply(error, str(error) or _UNKNOWN)


def _to_reply(error: RingbackError, detail: str) -> JSONResponse:
    reply = problem(STATUS[type(error)], error_words(type(error)), detail, **_members(error))
    if isinstance(error, RetryableError):
        after = error.retry_after or _RETRY_AFTER
        reply.headers["retry-after"] = str(max(1, ceil(after.total_seconds())))
    if isinstance(error, UnknownKeyError):
        reply.headers["www-authenticate"] = 'Bearer realm="ringback"'
    return reply


def not_found() -> JSONResponse:
    """Return the same reply for unknown paths, bad links and unknown callbacks."""
    return problem(404, "not found", _NOT_FOUND_DETAIL)


def stopping() -> JSONResponse:
    """Return the reply to a request that did not finish before the gateway stopped."""
    reply = problem(503, "stopping", "the gateway is stopping; send the same again")
    reply.headers["retry-after"] = str(round(_RETRY_AFTER.total_seconds()))
    return reply


async def on_ringback_error(request: Request, exc: Exception) -> Response:
    """Reply to a request that failed with one of Ringback's errors."""
    assert isinstance(exc, RingbackError), "registered for these only"
    # Set once the API key was checked.
    if hasattr(request.state, "key"):
        return to_full_problem(exc)
    if isinstance(exc, NotSignedInError) and wants_page(request):
        return _to_sign_in(request)
    return for_reader(request, to_problem(exc))


def _to_sign_in(request: Request) -> Response:
    path = request.app.state.gateway.local_path(sign_in_path(request))
    return RedirectResponse(path, 303, headers={"cache-control": "no-store"})


async def on_invalid_request(_: Request, exc: Exception) -> Response:
    """Reply to a request whose parameters FastAPI refused."""
    assert isinstance(exc, RequestValidationError), "registered for these only"
    return to_full_problem(to_malformed(exc.errors()))


async def on_not_found(request: Request, __: Exception) -> Response:
    """Reply to a request for an unknown path as to one with a bad link."""
    return for_reader(request, not_found())


async def on_method_not_allowed(request: Request, _: Exception) -> Response:
    """Reply to a request whose method no route of its path supports."""
    reply = problem(405, "method not allowed", "the reply's header Allow names the methods")
    reply.headers["allow"] = ", ".join(sorted(_allowed_methods(request)))
    return for_reader(request, reply)


def _allowed_methods(request: Request) -> set[str]:
    # Starlette names those of the first route only, and a path may have several.
    routes = (one for one in request.app.router.routes if isinstance(one, Route))
    at_this_path = (one for one in routes if one.matches(request.scope)[0] is not Match.NONE)
    return {method for route in at_this_path for method in route.methods or ()}


async def on_bug(request: Request, __: Exception) -> Response:
    """Reply to a request that met a bug; the log has the traceback, the reply has nothing."""
    return for_reader(request, problem(500, "internal error", _BUG))


def _public_detail(error: RingbackError) -> str:
    # Errors of the database and the network name hosts.
    if isinstance(error, RetryableError) and error.retry_after is None:
        logger.info("request refused: %s", error)
        return _TRY_AGAIN.get(type(error), _LATER)
    return str(error)


def _members(error: RingbackError) -> dict[str, Any]:
    match error:
        case AnsweredDifferentlyError(accepted_at=at):
            return {"accepted_at": format_instant(at)}
        case ExpiredCallbackError(reason=reason, expired_at=at):
            return {"reason": reason, "expired_at": format_instant(at)}
        case AliasInUseError(alias=alias, callback_id=owner, workflow_id=workflow_id):
            return {"alias": alias, "callback": owner, "workflow_id": workflow_id}
        case AliasFreedError(callback_id=owner, freed_at=at):
            return {"callback": owner, "freed_at": format_instant(at)}
        case AnswerTooLargeError(limit=limit):
            return {"limit": limit}
        case SubjectChangedError(changed=changed):
            return {"changed": list(changed)}
        case VotedDifferentlyError(voted_at=at):
            return {"voted_at": format_instant(at)}
        case VoteWithdrawnError(ballot=ballot):
            return {"ballot": ballot}
        case (
            WrongResultError(problems=problems)
            | WrongVoteError(problems=problems)
            | MalformedRequestError(problems=problems)
        ):
            return {"errors": [{"pointer": one.path, "detail": one.message} for one in problems]}
        case _:
            return {}
