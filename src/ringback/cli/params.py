"""Parameters that several commands have, and the parsing of their values.

A value is text, a file, or standard input. A parser returns or raises `typer.BadParameter`, which
is exit code 2. No message repeats the value: it may be a secret.
"""

import codecs
import json
import re
import sys
from base64 import urlsafe_b64decode
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Final

import typer
from pydantic_core import from_json

from ringback.domain.alias import Alias
from ringback.domain.durations import parse_duration
from ringback.domain.exact_json import OUT_OF_RANGE, has_infinite_number
from ringback.domain.ids import CallbackId, EventId

STDIN: Final = "-"

_CALLBACK: Final = re.compile(r"cb_[0-9a-z_]+")
_EVENT: Final = re.compile(r"ev_[0-9a-z_]{1,61}")
_HEX: Final = re.compile(r"(?:[0-9A-Fa-f]{2})+")
_BASE64: Final = re.compile(r"[A-Za-z0-9_-]+")
_IMPOSSIBLE_REMAINDER: Final = 1
"""No base64 text has a length of one more than a multiple of four."""

_MOST_BYTES: Final = 4 * 1024 * 1024
"""The most that Temporal takes in one request (observed on server 1.32)."""


def to_callback_id(text: str) -> CallbackId:
    """Parse a callback's id.

    Raises:
        typer.BadParameter: It is not an id. It may be a link, so the message does not repeat it.
    """
    if not _CALLBACK.fullmatch(text):
        msg = "a callback's id begins with cb_; see: ringback list"
        raise typer.BadParameter(msg)
    return CallbackId(text)


def to_event_id(text: str) -> EventId:
    """Parse an event's id.

    Raises:
        typer.BadParameter: It is not an id.
    """
    if not _EVENT.fullmatch(text):
        msg = "an event's id begins with ev_; see: ringback events"
        raise typer.BadParameter(msg)
    return EventId(text)


def to_alias(text: str) -> Alias:
    """Parse an alias.

    Raises:
        typer.BadParameter: The text cannot be an alias.
    """
    try:
        return Alias(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


def one_callback(callback_id: str | None, alias: Alias | None) -> CallbackId | Alias:
    """Return the callback that a command acts on, by its id or its alias.

    Raises:
        typer.BadParameter: Neither or both were given.
    """
    if callback_id is not None and alias is None:
        return CallbackId(callback_id)
    if callback_id is None and alias is not None:
        return alias
    msg = "name one callback: by its id or by --alias"
    raise typer.BadParameter(msg)


def to_token(text: str) -> bytes:
    """Parse a task token: hexadecimal, or base64 in any of its forms.

    Text that could be both is hexadecimal: every token of Temporal begins with "CiQ" in base64
    (observed on server 1.32), and Q is not a hexadecimal digit. Base64 may be standard or URL-safe,
    with or without padding. White space is ignored, so lines may be wrapped.

    Raises:
        typer.BadParameter: It is neither.
    """
    dense = "".join(text.split())
    if _HEX.fullmatch(dense):
        return bytes.fromhex(dense)
    plain = dense.rstrip("=").translate({ord("+"): "-", ord("/"): "_"})
    if not _BASE64.fullmatch(plain) or len(plain) % 4 == _IMPOSSIBLE_REMAINDER:
        msg = "the task token is neither hexadecimal nor base64"
        raise typer.BadParameter(msg)
    return urlsafe_b64decode(plain + "=" * (-len(plain) % 4))


def read_token(token: str | None, file: Path | None) -> bytes | None:
    """Return the task token of `--token` or `--token-file`; `None` without either.

    Raises:
        typer.BadParameter: Both were given, or the value is not a token.
    """
    if token is not None and file is not None:
        msg = "give --token or --token-file, not both"
        raise typer.BadParameter(msg)
    if file is not None:
        return to_token(_text(read_file(str(file))))
    if token is None:
        return None
    return to_token(_text(read_file(STDIN)) if token == STDIN else token)


def to_json(source: str | None) -> bytes | None:
    """Return the JSON value of `source`, byte for byte.

    Args:
        source: JSON; `@` and the name of a file; `-` for standard input; or `None`.

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
    """Return the details of a failure as a JSON array; another value is the only one.

    Raises:
        typer.BadParameter: It is not one JSON value, or cannot be read.
    """
    body = to_json(source)
    return body if body is None or body.startswith(b"[") else b"[" + body + b"]"


def to_header(text: str) -> tuple[str, str]:
    """Parse a header: `name: value`.

    Raises:
        typer.BadParameter: It has no colon or no name.
    """
    name, colon, value = text.partition(":")
    if not colon or not name.strip():
        msg = "a header is written 'name: value'"
        raise typer.BadParameter(msg)
    return name.strip(), value.strip()


def check_one_stdin(*sources: str | None) -> None:
    """Check that at most one of `sources` is standard input.

    Raises:
        typer.BadParameter: Two are, and the second one would read nothing.
    """
    if sources.count(STDIN) > 1:
        msg = "only one thing can be read from standard input"
        raise typer.BadParameter(msg)


def to_duration(text: str) -> timedelta:
    """Parse a duration: `90m`, `1h30m`, `2d`, `PT2H`.

    Raises:
        typer.BadParameter: It is not a duration.
    """
    try:
        return parse_duration(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _body(source: str) -> bytes:
    if source == STDIN or source.startswith("@"):
        return read_file(source.removeprefix("@"))
    # Bytes of the terminal that are not UTF-8 are not JSON either; the parser refuses them.
    return source.encode("utf-8", "surrogateescape")


def read_file(source: str) -> bytes:
    """Return the content of a file, or of standard input, byte for byte.

    Raises:
        typer.BadParameter: It cannot be read, or it is too large.
    """
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
        msg = f"it is longer than {_MOST_BYTES} bytes, the most that Temporal takes"
        raise typer.BadParameter(msg)
    return body


def _text(body: bytes) -> str:
    # A token is ASCII; the parser refuses the replacement character.
    return body.decode("ascii", "replace")


def duration_option(help_: str, *names: str) -> Any:
    """Return an option whose value is a duration."""
    return typer.Option(*names, parser=to_duration, metavar="DURATION", help=help_)


Host = Annotated[str, typer.Option(help="The address to listen on.")]
Port = Annotated[int, typer.Option(help="The port to listen on; 0 selects a free one.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
CallbackArgument = Annotated[
    str, typer.Argument(parser=to_callback_id, help="The callback: cb_…", metavar="CALLBACK")
]
OptionalCallback = Annotated[
    str | None, typer.Argument(parser=to_callback_id, help="The callback: cb_…", metavar="CALLBACK")
]
AliasOption = Annotated[
    Alias | None,
    typer.Option(
        "--alias",
        parser=to_alias,
        metavar="ALIAS",
        help="The callback that this alias leads to, such as github:run:42.",
    ),
]
Result = Annotated[
    str | None,
    typer.Option(
        metavar="JSON", help="The whole result; @FILE reads a file, - reads standard input."
    ),
]
Details = Annotated[
    str | None,
    typer.Option(metavar="JSON", help="Details; @FILE reads a file, - reads standard input."),
]
Wait = Annotated[
    int,
    typer.Option(
        min=0, metavar="SECONDS", help="Wait at most this long until Temporal has the answer."
    ),
]


def say_ready(what: str, *, as_json: bool) -> None:
    """Print that the program is ready."""
    print(json.dumps({"ready": what}) if as_json else f"ready {what}", flush=True)
