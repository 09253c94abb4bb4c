"""Checks of names and choices, and of text and JSON that a database must be able to store."""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Final


def check_text(name: str, longest: int, text: str | None) -> None:
    """Check one text; `None` is allowed.

    Raises:
        ValueError: It is too long, or no database stores it.
    """
    if text is not None and len(text) > longest:
        msg = f"{name} must have at most {longest} characters"
        raise ValueError(msg)
    check_texts(name, filter(None, [text]))


def check_json(name: str, most_bytes: int, value: Mapping[str, object]) -> None:
    """Check plain JSON, and its size as compact JSON in UTF-8.

    Raises:
        ValueError: It is too large, or contains a text that no database stores.
        TypeError: It cannot be encoded as JSON.
    """
    check_texts(name, _texts(value))
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size > most_bytes:
        msg = f"{name} must have at most {most_bytes} bytes as JSON, not {size}"
        raise ValueError(msg)


def check_texts(name: str, texts: Iterable[str]) -> None:
    """Check texts.

    Raises:
        ValueError: One contains what no database stores.
    """
    for text in texts:
        # UTF-8 cannot encode half of a surrogate pair.
        if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
            msg = f"{name} contains a NUL or half of a character, which no database stores"
            raise ValueError(msg)


def check_labels(name: str, kind: str, texts: Sequence[str], *, most: int, longest: int) -> None:
    """Check a list of short texts.

    Args:
        name: What the list is called.
        kind: What one text is called.
        texts: The list.
        most: How many texts it may have.
        longest: How many characters a text may have.

    Raises:
        ValueError: It is no list, too long, or contains a text that is empty, too long, or that no
            database stores.
    """
    if isinstance(texts, str) or len(texts) > most:
        msg = f"{name} must be a list of at most {most} {kind}s"
        raise ValueError(msg)
    if any(not text or len(text) > longest for text in texts):
        msg = f"a {kind} in {name} must have 1 to {longest} characters"
        raise ValueError(msg)
    check_texts(f"a {kind} in {name}", texts)


def check_choice(name: str, choices: type[Enum], value: object) -> None:
    """Check the plain value of a choice.

    Raises:
        ValueError: It is none of `choices`; the message names them.
    """
    allowed = [choice.value for choice in choices]
    if value not in allowed:
        msg = f"{name} must be {' or '.join(map(repr, allowed))}, not {value!r}"
        raise ValueError(msg)


def _texts(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for name, inner in value.items():
                yield from (*_texts(name), *_texts(inner))
        case list() | tuple():
            for inner in value:
                yield from _texts(inner)


LONGEST_NAME: Final = 200

#: Characters that Unicode calls printable although nothing of them is seen, such as U+FE0F.
_UNSEEN: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)

_KINDS: Final = ("user:", "group:", "key:")
"""What assignees and programs begin with, so the name of a user must not."""


def to_key(name: str) -> str:
    """Return what `name` is compared and stored by: names that look the same have the same key.

    Case, width, composed or decomposed accents, and characters that nobody sees do not count.
    """
    if name.isascii():
        return name.lower()
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKD", name).casefold())
    return _UNSEEN.sub("", unicodedata.normalize("NFKC", _UNSEEN.sub("", folded).casefold()))


def error_words(kind: type[Exception]) -> str:
    """Return the name of an error in words, such as `answered differently`."""
    return " ".join(re.findall(r"[A-Z][a-z]+", kind.__name__.removesuffix("Error"))).lower()


def is_name(text: str) -> bool:
    """Return whether `text` can name a user or a group, or be an assignee."""
    is_seen = bool(to_key(text)) and text.isprintable() and text == text.strip()
    return is_seen and len(text) <= LONGEST_NAME


def is_user_name(text: str) -> bool:
    """Return whether `text` can name a user: `user:ada` cannot, because it is an assignee."""
    return is_name(text) and not to_key(text).startswith(_KINDS)
