"""Ids: short, opaque, and ascending with the time they were made."""

from datetime import datetime
from hashlib import sha256
from itertools import product
from typing import Final, NewType

CallbackId = NewType("CallbackId", str)
OutcomeId = NewType("OutcomeId", str)

RANDOM_BYTES: Final = 10
"""How many bytes of chance an id carries, after six bytes of time."""

# Base 32 with the extended hex alphabet: unlike the plain one it sorts as its bytes do. Written two
# digits at a time: every answer gets an id, and Python's own encoder takes twice as long.
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuv"
_DIGITS: Final = ["".join(pair) for pair in product(_ALPHABET, repeat=2)]
_MASK: Final = len(_DIGITS) - 1
_BITS: Final = 8 * (6 + RANDOM_BYTES)
_PADDING: Final = -_BITS % 10
_PLACES: Final = range(_BITS + _PADDING - 10, -1, -10)


def new_callback_id(now: datetime, chance: bytes) -> CallbackId:
    """Make a callback id (`cb_…`) from an instant and `RANDOM_BYTES` of chance."""
    return CallbackId("cb_" + _ascending(now, chance))


def new_outcome_id(now: datetime, chance: bytes) -> OutcomeId:
    """Make an outcome id (`oc_…`) from an instant and `RANDOM_BYTES` of chance."""
    return OutcomeId("oc_" + _ascending(now, chance))


def schema_id(text: str) -> str:
    """Return the id of a result schema (`sc_…`): the same text has the same id."""
    return "sc_" + sha256(text.encode()).hexdigest()[:32]


def _ascending(now: datetime, chance: bytes) -> str:
    milliseconds = int(now.timestamp() * 1000)
    number = int.from_bytes(milliseconds.to_bytes(6, "big") + chance, "big") << _PADDING
    return "".join([_DIGITS[(number >> place) & _MASK] for place in _PLACES])


def identity_of(outcome_id: OutcomeId) -> str:
    """Return the identity under which an outcome is delivered: it alone, and history keeps it."""
    return f"ringback/{outcome_id}"
