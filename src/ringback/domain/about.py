"""About: what the activity's author says of a question, for people and for the outside party."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from ringback.domain.web_url import parse_url

LONGEST_TITLE: Final = 200
LONGEST_TAG: Final = 64
MOST_TAGS: Final = 20
MOST_METADATA_BYTES: Final = 16 * 1024
"""As compact JSON in UTF-8: all pages of lists carry it."""


@dataclass(frozen=True, slots=True)
class About:
    """What a callback carries besides the question itself.

    Its text shows no address, since that may hold a secret.

    Attributes:
        title: What is asked, in a few words, for people.
        tags: What it can be found by, each once.
        metadata: Anything else that the author wants to find here, as plain JSON.
        cancel_url: Where the outside party is told that its answer is not wanted any more.
        notify_url: Where it is told of everything that happens to the callback.
    """

    title: str | None = None
    tags: tuple[str, ...] = ()
    metadata: dict[str, object] = field(default_factory=dict, repr=False)
    cancel_url: str | None = field(default=None, repr=False)
    notify_url: str | None = field(default=None, repr=False)


def check_metadata(metadata: Mapping[str, object]) -> None:
    """Refuse more metadata than a callback may carry.

    What is stored already is not judged: it was taken under another limit.

    Raises:
        ValueError: It is longer than `MOST_METADATA_BYTES`, or has a sign in it that no database
            keeps; keep a reference here.
        TypeError: It cannot be written as JSON.
    """
    _check_texts("metadata", _texts(metadata))
    text = json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))
    size = len(text.encode())
    if size > MOST_METADATA_BYTES:
        msg = f"metadata must have at most {MOST_METADATA_BYTES} bytes as JSON, not {size}"
        raise ValueError(msg)


def check_title(title: str | None) -> None:
    """Check that `title` can be kept.

    Raises:
        ValueError: It is too long, or has a sign that no database keeps: shorten or mend it.
    """
    if title is not None and len(title) > LONGEST_TITLE:
        msg = f"title must have at most {LONGEST_TITLE} signs"
        raise ValueError(msg)
    _check_texts("title", filter(None, [title]))


def check_tags(tags: Sequence[str]) -> None:
    """Check that `tags` can be kept.

    Raises:
        ValueError: There are too many, or one is empty, too long or has a sign that no database
            keeps: give fewer or others.
    """
    if isinstance(tags, str) or len(tags) > MOST_TAGS:
        msg = f"tags must be a list of at most {MOST_TAGS} words"
        raise ValueError(msg)
    if any(not tag or len(tag) > LONGEST_TAG for tag in tags):
        msg = f"a tag must have 1 to {LONGEST_TAG} signs"
        raise ValueError(msg)
    _check_texts("a tag", tags)


def check_url(name: str, url: str | None) -> None:
    """Check that a message can be sent to `url`, the option `name`.

    Raises:
        ValueError: It cannot; see `parse_url`.
    """
    if url is not None:
        parse_url(name, url)


def _check_texts(name: str, texts: Iterable[str]) -> None:
    for text in texts:
        # Half of a surrogate pair is no text: it cannot be written as UTF-8.
        if "\x00" in text or any("\ud800" <= sign <= "\udfff" for sign in text):
            msg = f"{name} has a NUL or half a sign in it, which no database keeps"
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
