"""Checks of text and JSON that a database must be able to store."""

import json
from collections.abc import Iterable, Iterator, Mapping


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
