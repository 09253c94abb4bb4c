"""What is signed: a template such as `v0:{timestamp}:{body}`, compiled once, filled per request."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl

from ringback.domain.errors import ConfigurationError
from ringback.sources.verdict import IncomingRequest, Reason, RefusedError

MOST_FIELDS: Final = 2_000
"""Fields of a form or query that are read; a request with more is refused."""

PLAIN_TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/=-]{1,512}")
"""A token without spaces, quotes, colons and brackets."""

Headers = Mapping[bytes, bytes]
Piece = Callable[["Filled"], bytes]

_PART: Final = re.compile(r"\{([a-z]+)(?::([^{}]+))?\}")


class Filled:
    """A request, the headers that the scheme reads, and the timestamp as it was written."""

    __slots__ = ("_json", "headers", "now", "request", "timestamp")

    def __init__(self, request: IncomingRequest, headers: Headers, now: datetime) -> None:
        """Read `request`, which came at `now`."""
        self.request = request
        self.now = now
        self.headers = headers
        self.timestamp = b""
        self._json: object = _UNREAD

    def header(self, name: str) -> bytes:
        """Return the value of a header.

        Raises:
            RefusedError: It is missing.
        """
        value = self.headers.get(name.lower().encode())
        if value is None:
            msg = f"the header {name} is missing"
            raise RefusedError(Reason.HEADER_MISSING, msg)
        return value

    @property
    def json(self) -> object:
        """The body, parsed once.

        Raises:
            RefusedError: The body is not JSON.
        """
        if self._json is _UNREAD:
            self._json = read_json(self.request.body)
        return self._json

    def field(self, path: str) -> bytes | None:
        """Return a text or number of the JSON body; None if it is not there.

        Raises:
            RefusedError: The body is not JSON, or the value is neither text nor a whole number.
        """
        found = find(self.json, path)
        if found is None:
            return None
        if isinstance(found, str):
            return to_bytes(found)
        if isinstance(found, int) and not isinstance(found, bool):
            return str(found).encode()
        raise RefusedError(Reason.BODY_UNREADABLE, f"the body's {path} is not text")


_UNREAD: Final = object()


def compile_pieces(template: str) -> tuple[Piece, ...]:
    """Compile `template`.

    Raises:
        ConfigurationError: It has a part that does not exist.
    """
    pieces: list[Piece] = []
    end = 0
    for match in _PART.finditer(template):
        pieces += _literal(template[end : match.start()])
        pieces.append(_piece(match[1], match[2]))
        end = match.end()
    return (*pieces, *_literal(template[end:]))


def header_names(template: str) -> list[str]:
    """Return the headers that `template` contains."""
    return [match[2] for match in _PART.finditer(template) if match[1] == "header" and match[2]]


def _literal(text: str) -> list[Piece]:
    if "{" in text or "}" in text:
        msg = f"signed: {text!r} has a brace that belongs to no part such as {{body}}"
        raise ConfigurationError(msg)
    literal = text.encode()
    return [lambda _: literal] if text else []


def _piece(kind: str, name: str | None) -> Piece:
    plain = _PLAIN.get(kind)
    if plain and name is None:
        return plain
    named = _NAMED.get(kind)
    if named and name:
        return named(name)
    parts = ", ".join([*(f"{{{one}}}" for one in _PLAIN), *(f"{{{one}:NAME}}" for one in _NAMED)])
    msg = f"signed: there is no part {{{kind}}} here; the parts are {parts}"
    raise ConfigurationError(msg)


def _of_header(name: str) -> Piece:
    return lambda filled: filled.header(name)


def _of_field(path: str) -> Piece:
    def read(filled: Filled) -> bytes:
        value = filled.field(path)
        if value is None:
            raise RefusedError(Reason.BODY_UNREADABLE, f"the body has no {path}, which is signed")
        return value

    return read


def _of_input(name: str) -> Piece:
    def read(filled: Filled) -> bytes:
        return _only(read_form(filled.request.body), name, "form")

    return read


def _of_query(name: str) -> Piece:
    def read(filled: Filled) -> bytes:
        return _only(read_query(filled.request.public_url), name, "URL")

    return read


def _only(pairs: list[tuple[bytes, bytes]], name: str, place: str) -> bytes:
    values = [value for key, value in pairs if key == name.encode()]
    if len(values) != 1:
        msg = f"the {place} has {name} {len(values)} times instead of once; it is signed"
        raise RefusedError(Reason.BODY_UNREADABLE, msg)
    return values[0]


def sorted_form(body: bytes) -> bytes:
    """Return names and values of a form, sorted by name, each different value once (Twilio)."""
    return b"".join(name + value for name, value in sorted(set(read_form(body))))


_ENCODED: Final = re.compile(rb"%(?:3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


def decode_punctuation(url: str) -> bytes:
    """Return `url` without the percent-encoding of `: / ? @ ! $ ' ( ) * , ;` (HubSpot)."""
    return _ENCODED.sub(lambda match: bytes.fromhex(match[0][1:].decode()), to_bytes(url))


_PLAIN: Final[dict[str, Piece]] = {
    "body": lambda filled: filled.request.body,
    "timestamp": lambda filled: filled.timestamp,
    "url": lambda filled: to_bytes(filled.request.public_url),
    "decodedurl": lambda filled: decode_punctuation(filled.request.public_url),
    "method": lambda filled: to_bytes(filled.request.method),
    "form": lambda filled: sorted_form(filled.request.body),
}
_NAMED: Final[dict[str, Callable[[str], Piece]]] = {
    "header": _of_header,
    "field": _of_field,
    "input": _of_input,
    "query": _of_query,
}


def missing(name: str) -> RefusedError:
    """Return the refusal of a request without the header `name`."""
    return RefusedError(Reason.HEADER_MISSING, f"the header {name} is missing")


def to_bytes(text: str) -> bytes:
    """Encode any text, also one that is no Unicode."""
    return text.encode("utf-8", "surrogatepass")


def read_json(body: bytes) -> object:
    """Parse a JSON body.

    Raises:
        RefusedError: It is not JSON in UTF-8, or nested too deeply.
    """
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):
        raise RefusedError(Reason.BODY_UNREADABLE, "the body is not JSON") from None


def find(value: object, path: str) -> object:
    """Return what stands at `path`, such as `value.0.clientState`; None if nothing does."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def read_form(body: bytes) -> list[tuple[bytes, bytes]]:
    """Return names and values of a form, decoded to bytes, in their order.

    Raises:
        RefusedError: It has too many fields.
    """
    return _parse(body.decode("latin-1"), "the form")


def read_query(url: str) -> list[tuple[bytes, bytes]]:
    """Return names and values of a URL's query, decoded to bytes, in their order.

    Raises:
        RefusedError: It has too many fields.
    """
    query = url.partition("#")[0].partition("?")[2]
    return _parse(to_bytes(query).decode("latin-1"), "the URL's query")


def _parse(text: str, what: str) -> list[tuple[bytes, bytes]]:
    try:
        pairs = parse_qsl(
            text, keep_blank_values=True, encoding="latin-1", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        msg = f"{what} has more than {MOST_FIELDS} fields"
        raise RefusedError(Reason.BODY_UNREADABLE, msg) from None
    # Latin-1 maps each byte to one character: nothing is lost, whatever the bytes mean.
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
