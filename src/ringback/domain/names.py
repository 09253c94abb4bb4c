"""Names of users and groups: which ones can be used, and when two of them are the same.

And those of errors, for people and programs.
"""

import re
import unicodedata
from typing import Final

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
