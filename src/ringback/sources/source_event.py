"""Events of sources, and what rules see of their bodies.

Rules see JSON as its value, a form as an object of texts (a name that occurs more than once has a
list), any other body as `{"text": …}`, or as `{"base64": …}` if it is not UTF-8.
"""

import base64
import codecs
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from ringback.sources.event_json import decode

CONTENT_TYPE: Final = "content-type"

_FORM: Final = "application/x-www-form-urlencoded"
_MOST_FIELDS: Final = 20_000
_SPACE: Final = b" \t\n\r"


@dataclass(frozen=True, slots=True)
class SourceEvent:
    """An event whose signature has been verified.

    Attributes:
        body: The bytes, uncompressed.
        headers: Headers by their names in lower case: those that rules read, and `content-type`.
    """

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def read_event(event: SourceEvent) -> tuple[Any, bytes | None]:
    """Return what rules see, and its JSON as it arrived; without JSON if the body is not JSON.

    Raises:
        ValueError: The body is not what its `Content-Type` declares; the message says why, and has
            no part of the body.
    """
    media_type = event.headers.get(CONTENT_TYPE, "").partition(";")[0].strip().lower()
    body = event.body.removeprefix(codecs.BOM_UTF8).strip(_SPACE)
    if media_type == _FORM:
        return _read_form(body), None
    if media_type == "application/json" or media_type.endswith("+json"):
        try:
            return decode(body), body
        except ValueError as exc:
            msg = f"the body is not JSON that Ringback reads: {exc}"
            raise ValueError(msg) from exc
    if body[:1] in {b"{", b"["}:
        # Some providers send JSON as text/plain, or without a type.
        try:
            return decode(body), body
        except ValueError:
            pass
    return _read_text(event.body), None


def _read_text(body: bytes) -> dict[str, str]:
    try:
        return {"text": body.decode()}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _read_form(body: bytes) -> dict[str, str | list[str]]:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError as exc:
        msg = f"the body is not a form in UTF-8, or has over {_MOST_FIELDS:,} fields"
        raise ValueError(msg) from exc
    fields: dict[str, list[str]] = {}
    for name, text in pairs:
        fields.setdefault(name, []).append(text)
    return {name: texts[0] if len(texts) == 1 else texts for name, texts in fields.items()}
