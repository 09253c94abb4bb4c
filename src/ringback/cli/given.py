"""What a command is given: task tokens, JSON and durations, as text, from a file or from a pipe.

Whatever the text, reading it returns or raises `typer.BadParameter`, which is exit code 2. What
was given is never repeated in the message: it may be a secret.
"""

import codecs
import re
import sys
from base64 import urlsafe_b64decode
from datetime import timedelta
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import typer
from pydantic_core import from_json

from ringback.domain.durations import parse_duration
from ringback.domain.exact_json import OUT_OF_RANGE, has_infinite_number

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

STDIN: Final = "-"

_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_BASE64: Final = re.compile(r"[A-Za-z0-9_-]+")
_NEVER_LEFT_OVER: Final = 1
"""No number of bytes has a base64 form with so many signs more than a multiple of four."""

_MOST_BYTES: Final = 4 * 1024 * 1024
"""What Temporal takes in one request (observed on server 1.32)."""


def to_token(text: str) -> bytes:
    """Return the task token that `text` is: hexadecimal, or base64 in any of its forms.

    What can be read as hexadecimal is: no token of Temporal's has such a base64 form, since all
    begin with the same two bytes, whose form is none ("CiQ"; observed on server 1.32). Base64 may
    be the standard one or the URL-safe one, with or without padding. White space does not count,
    so lines may be wrapped.

    Raises:
        typer.BadParameter: It is neither.
    """
    dense = "".join(text.split())
    if _HEX.fullmatch(dense):
        return bytes.fromhex(dense)
    plain = dense.rstrip("=").translate({ord("+"): "-", ord("/"): "_"})
    if not _BASE64.fullmatch(plain) or len(plain) % 4 == _NEVER_LEFT_OVER:
        msg = "the task token is neither hexadecimal nor base64"
        raise typer.BadParameter(msg)
    return urlsafe_b64decode(plain + "=" * (-len(plain) % 4))


def read_token(token: str | None, file: Path | None) -> bytes | None:
    """Return the task token of `--token` or `--token-file`; `None` if neither was given.

    Raises:
        typer.BadParameter: Both were given, or there is no token in what was.
    """
    if token is not None and file is not None:
        msg = "give --token or --token-file, not both"
        raise typer.BadParameter(msg)
    if file is not None:
        return to_token(_text(_read(str(file))))
    if token is None:
        return None
    return to_token(_text(_read(STDIN)) if token == STDIN else token)


def to_json(source: str | None) -> bytes | None:
    """Return the JSON value that `source` is or leads to, exactly as it was written.

    Args:
        source: JSON; or `@` and the name of a file; or `-` for standard input; or `None`.

    Raises:
        typer.BadParameter: It is not one JSON value, or cannot be read.
    """
    if source is None:
        return None
    body = _body(source).removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n")
    try:
        from_json(body, allow_inf_nan=False)
    except ValueError as exc:
        msg = f"this is not JSON: {exc}; text is JSON in double quotes"
        raise typer.BadParameter(msg) from exc
    if has_infinite_number(body):
        raise typer.BadParameter(OUT_OF_RANGE)
    return body


def to_details(source: str | None) -> bytes | None:
    """Return the details of a failure as one JSON array: an array is several, else it is one.

    Raises:
        typer.BadParameter: See `to_json`.
    """
    body = to_json(source)
    return body if body is None or body.startswith(b"[") else b"[" + body + b"]"


def check_one_stdin(*sources: str | None) -> None:
    """Check that at most one of `sources` is standard input.

    Raises:
        typer.BadParameter: Two are: the second would find nothing left.
    """
    if sources.count(STDIN) > 1:
        msg = "only one thing can be read from standard input"
        raise typer.BadParameter(msg)


def to_duration(text: str) -> timedelta:
    """Return the duration that `text` says: `90m`, `1h30m`, `2d`, `PT2H`.

    Raises:
        typer.BadParameter: It says none.
    """
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _body(source: str) -> bytes:
    if source == STDIN or source.startswith("@"):
        return _read(source.removeprefix("@"))
    # What the terminal sent that is not UTF-8 is no JSON either.
    return source.encode("utf-8", "surrogateescape")


def _read(source: str) -> bytes:
    if source == STDIN:
        return _read_from(sys.stdin.buffer)
    try:
        with Path(source).open("rb") as file:
            return _read_from(file)
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it has no such name"
        msg = f"the file {source!r} cannot be read: {why}"
        raise typer.BadParameter(msg) from exc


def _read_from(stream: BinaryIO) -> bytes:
    body = stream.read(_MOST_BYTES + 1)
    if len(body) > _MOST_BYTES:
        msg = f"it is longer than {_MOST_BYTES} bytes, more than Temporal ever takes"
        raise typer.BadParameter(msg)
    return body


def _text(body: bytes) -> str:
    # A sign that is not ASCII is in no token: what stands in its place is refused.
    return body.decode("ascii", "replace")
