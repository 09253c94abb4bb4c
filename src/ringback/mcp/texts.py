"""Text from outside, before a model or a person reads it: bounded, printable, without secrets."""

import json
import re
from typing import Any, Final

REMOVED: Final = "[removed]"

_CUT: Final = "\u2026"
_MOST_DEPTH: Final = 32
_MORE: Final = 4096
"""Characters beyond the most that are examined, so that a secret is seen whole."""

_SECRETS: Final = re.compile(
    r"""
    [A-Za-z0-9_-]{1,32}\.[A-Za-z0-9_-]{24,200}(?:\.[A-Za-z0-9_-]{1,200}){0,8}?
        \.[A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])        # a link, with or without its URL
    | /c/[A-Za-z0-9_-]{1,32}\.[A-Za-z0-9_-]{16}[^\s"'<>]*  # a part of a link
    | /sign-in/once/[^\s"'<>]+                      # a one-time sign-in URL
    | rbk_[A-Za-z0-9]+_[A-Za-z0-9_-]+               # an API key
    | whsec_[A-Za-z0-9+/=_-]+                       # a webhook secret
    | CiQ[A-Za-z0-9+/=_-]{40,}                      # a task token in base64
    | 0a24[0-9a-f]{80,}                             # a task token in hexadecimal
    | (?<=://)[^\s/@"'<>]{1,200}@                   # the user and the password of a URL
    """,
    re.VERBOSE,
)


def clean(text: str, most: int, *, has_lines: bool = False) -> str:
    """Return `text` without control characters, links and secrets, of at most `most` characters.

    Args:
        text: Any text.
        most: Its maximum length.
        has_lines: Whether line breaks are kept.
    """
    kept = "\n" if has_lines else ""
    printable = "".join(
        char if char.isprintable() or char in kept else "\ufffd" for char in text[: most + _MORE]
    )
    without = _SECRETS.sub(REMOVED, printable)
    return without if len(without) <= most else without[: most - 1] + _CUT


def clean_json(value: Any, most: int) -> Any:
    """Return plain JSON with each text and each name of it cleaned.

    Text is cut to `most` characters; what is nested too deeply is removed.
    """
    return _clean_json(value, most, _MOST_DEPTH)


def to_line(value: Any, most: int) -> str:
    """Return plain JSON as one line; a text cannot look like the end of it."""
    return clean(json.dumps(value, ensure_ascii=False), most)


def without_urls(text: str) -> str:
    """Return `text` with URLs that a program does not make clickable."""
    return text.replace("://", "[:]//")


def _clean_json(value: Any, most: int, depth: int) -> Any:
    match value:
        case str():
            return clean(value, most)
        case dict() | list() if not depth:
            return REMOVED
        case dict():
            return {
                clean(name, most): _clean_json(one, most, depth - 1) for name, one in value.items()
            }
        case list():
            return [_clean_json(one, most, depth - 1) for one in value]
        case _:
            return value
