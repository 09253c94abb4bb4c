"""Bodies of HTML forms."""

from collections.abc import Sequence
from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from ringback.domain.errors import MalformedAnswerError, UnsupportedMediaTypeError
from ringback.gateway.body import read_body, run_apart

FORM: Final = "application/x-www-form-urlencoded"

_MOST_FIELDS: Final = 20_000
_MOST_DIGITS: Final = 10
_SINGLE: Final = frozenset({"assignees", "ballot", "choice", "csrf", "digest", "id", "reason"})


async def read_form(request: Request, *, limit: int) -> Sequence[tuple[str, str]]:
    """Return the fields of a form, in their order; a name may occur more than once.

    Raises:
        AnswerTooLargeError: The body is longer than `limit` bytes.
        UnsupportedMediaTypeError: It is not a form.
        MalformedAnswerError: It is not valid UTF-8 text, or it has too many fields.
    """
    media_type = request.headers.get("content-type", FORM).partition(";")[0].strip().lower()
    if media_type != FORM:
        msg = f"send the form as {FORM}, not as {media_type}"
        raise UnsupportedMediaTypeError(msg)
    body = await read_body(request, limit=limit)
    return await run_apart(body, lambda: _parse(body))


def to_fields(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    """Return the fields by name; of a name that may occur more than once, the last value.

    Raises:
        MalformedAnswerError: A field that has one value occurs twice: it is unclear which is meant.
    """
    fields: dict[str, str] = {}
    for name, text in pairs:
        if name in fields and name in _SINGLE:
            msg = f"the form has the field {name} twice"
            raise MalformedAnswerError(msg)
        fields[name] = text
    return fields


def to_ballot(text: str) -> int:
    """Return the ballot that a form names; 0 if it names none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS else 0


def _parse(body: bytes) -> Sequence[tuple[str, str]]:
    try:
        return parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError as exc:
        msg = f"the form cannot be read: it is not UTF-8 or has over {_MOST_FIELDS} fields"
        raise MalformedAnswerError(msg) from exc
