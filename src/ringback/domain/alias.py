"""Aliases: business keys that lead to callbacks, for systems that cannot be given a link.

An alias belongs to at most one callback of a namespace that has not ended. It is compared character
by character, so `Order:1` and `order:1` are two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ringback.domain.errors import MalformedRequestError, Problem

LONGEST_ALIAS: Final = 200
MOST_ALIASES: Final = 20


@dataclass(frozen=True, slots=True)
class Alias:
    """An alias such as `github:run:42`.

    Attributes:
        text: 1 to 200 printable characters. It neither begins nor ends with a space, and is neither
            `.` nor `..`: those have a meaning in the path of a URL.
    """

    text: str

    def __post_init__(self) -> None:
        """Check the text.

        Raises:
            ValueError: The text cannot be an alias; the message says why.
        """
        if not 1 <= len(self.text) <= LONGEST_ALIAS:
            msg = f"an alias must have 1 to {LONGEST_ALIAS} characters, not {len(self.text)}"
            raise ValueError(msg)
        for place, character in enumerate(self.text):
            if not character.isprintable():
                msg = (
                    f"an alias must have printable characters only, and character {place + 1} is"
                    f" U+{ord(character):04X}"
                )
                raise ValueError(msg)
        if self.text != self.text.strip() or self.text in {".", ".."}:
            msg = "an alias must not begin or end with a space, nor be '.' or '..'"
            raise ValueError(msg)


def check_aliases(aliases: Sequence[str]) -> None:
    """Check the aliases of one callback.

    Raises:
        ValueError: There are too many, or one is invalid; the message says why.
    """
    if isinstance(aliases, str) or len(aliases) > MOST_ALIASES:
        msg = f"aliases must be a list of at most {MOST_ALIASES} texts"
        raise ValueError(msg)
    for text in aliases:
        Alias(text)


def missing_aliases(aliases: Sequence[str], wanted: Sequence[str]) -> tuple[str, ...]:
    """Return those of `wanted` that a callback with `aliases` does not have.

    Raises:
        MalformedRequestError: It would have too many.
    """
    missing = tuple(one for one in wanted if one not in aliases)
    if len(aliases) + len(missing) > MOST_ALIASES:
        msg = f"a callback has at most {MOST_ALIASES} aliases"
        raise MalformedRequestError([Problem("aliases", msg)])
    return missing
