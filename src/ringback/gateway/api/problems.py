"""The errors of the API, as OpenAPI describes them: problem details (RFC 9457)."""

from dataclasses import dataclass
from typing import Any, Final

from ringback.schemas.responses import ProblemOut


@dataclass(frozen=True, slots=True)
class _Meaning:
    """A status: what it means, and one error that has it."""

    text: str
    title: str
    detail: str


_MEANINGS: Final[dict[int, _Meaning]] = {
    400: _Meaning(
        "The body cannot be read; `detail` says where.",
        "malformed answer",
        "message: Field required",
    ),
    401: _Meaning(
        "The API key is missing, unknown or revoked.",
        "unknown key",
        "send a good API key: Authorization: Bearer rbk_…",
    ),
    403: _Meaning(
        "The role of the key does not allow this.",
        "not allowed",
        "a key of the role viewer may not answer",
    ),
    404: _Meaning(
        "There is no such callback; or the link is unknown, edited, expired or not valid for this.",
        "unknown callback",
        "there is no callback cb_0dj0q6nk5g1e2b3a4c5d6e7f8g",
    ),
    409: _Meaning(
        "The state of the callback does not allow this; `detail` says why.",
        "answered differently",
        "another answer was accepted first",
    ),
    410: _Meaning(
        "Too late: the activity ended; `detail` says how.",
        "expired callback",
        "too late: timed out",
    ),
    413: _Meaning(
        "The body, or its encoding for Temporal, is too large.",
        "answer too large",
        "the body is larger than 2096128 bytes",
    ),
    415: _Meaning(
        "The body is declared as something other than JSON.",
        "unsupported media type",
        "send the body as application/json, not as text/csv",
    ),
    422: _Meaning(
        "The request cannot be used; `errors` says what is wrong, and where.",
        "malformed request",
        "this cannot be used: limit: Input should be less than or equal to 1000",
    ),
    503: _Meaning(
        "The store or Temporal cannot be reached, or the gateway has too much to do. Retry after"
        " `Retry-After` seconds.",
        "store unavailable",
        "it cannot be kept now; send the same again",
    ),
}

BEHIND_A_KEY: Final = (401, 403, 422, 503)
"""What every route of the operator API may reply."""

OF_A_BODY: Final = (400, 413, 415)
"""What a route that reads a body may reply besides."""

OF_AN_ANSWER: Final = (404, 409, 410, *OF_A_BODY)
"""What a route that accepts an answer may reply besides."""


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return `responses` for a route that may reply with these errors."""
    return {status: _problem(status) for status in sorted(statuses)}


def behind_a_key(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return `responses` for a route of the operator API that may reply with these errors too."""
    return problems(*BEHIND_A_KEY, *statuses)


def _problem(status: int) -> dict[str, Any]:
    meaning = _MEANINGS[status]
    example = {
        "type": f"urn:ringback:{meaning.title.replace(' ', '-')}",
        "title": meaning.title,
        "status": status,
        "detail": meaning.detail,
    }
    schema = {"$ref": f"#/components/schemas/{ProblemOut.__name__}"}
    content = {"application/problem+json": {"schema": schema, "example": example}}
    return {"description": meaning.text, "content": content}
