"""The errors of the API, as OpenAPI describes them: problem details (RFC 9457)."""

import json
from datetime import UTC, datetime
from typing import Any, Final

from ringback.domain import errors
from ringback.domain.ids import CallbackId
from ringback.gateway.replies import to_known_problem
from ringback.schemas.responses import ProblemOut

_ID: Final = CallbackId("cb_0dj0q6nk5g1e2b3a4c5d6e7f8g")
_AT: Final = datetime(2030, 1, 1, 12, tzinfo=UTC)

_MEANINGS: Final[dict[str, errors.RingbackError]] = {
    "The body cannot be read; `detail` says where.": errors.MalformedAnswerError(
        "message: Field required"
    ),
    "The API key is missing, unknown or revoked.": errors.UnknownKeyError(
        "send a valid API key: Authorization: Bearer rbk_…"
    ),
    "The role of the key does not allow this.": errors.NotAllowedError(
        "the role viewer does not allow: answer; use another key"
    ),
    "There is no such callback; or the link is unknown, edited, expired or not valid for this.": (
        errors.UnknownCallbackError(f"there is no callback {_ID}")
    ),
    "The state of the callback does not allow this; `detail` says why.": (
        errors.AnsweredDifferentlyError(_ID, _AT)
    ),
    "Too late: the activity ended; `detail` says how.": errors.ExpiredCallbackError(
        _ID, "timed out", _AT
    ),
    "The body, or its encoding for Temporal, is too large.": errors.AnswerTooLargeError(2096128),
    "The body is declared as something other than JSON.": errors.UnsupportedMediaTypeError(
        "send the body as application/json, not as text/csv"
    ),
    "The request cannot be used; `errors` says what is wrong, and where.": (
        errors.MalformedRequestError([errors.Problem("/within", "Field required")])
    ),
    "The store or Temporal cannot be reached, or the gateway has too much to do. Retry after"
    " `Retry-After` seconds.": errors.StoreUnavailableError("the database is not available"),
}
"""What each status means, and an error that has it."""

BEHIND_A_KEY: Final = (401, 403, 422, 503)
"""What every route of the operator API may reply."""

OF_A_BODY: Final = (400, 413, 415)
"""What a route that reads a body may reply besides."""

OF_AN_ANSWER: Final = (404, 409, 410, *OF_A_BODY)
"""What a route that accepts an answer may reply besides."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return `responses` for a route that may reply with these errors."""
    return {status: _PROBLEMS[status] for status in sorted(statuses)}


def behind_a_key(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return `responses` for a route of the operator API that may reply with these errors too."""
    return problems(*BEHIND_A_KEY, *statuses)


def _describe(meaning: str, error: errors.RingbackError) -> tuple[int, dict[str, Any]]:
    reply = to_known_problem(error)
    schema = {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}
    shown = {"schema": schema, "example": json.loads(bytes(reply.body))}
    described = {"description": meaning, "content": {reply.media_type: shown}}
    return reply.status_code, described


_PROBLEMS: Final = dict(_describe(*both) for both in _MEANINGS.items())
