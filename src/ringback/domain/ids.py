"""Ids: short, opaque, and sorted by creation time."""

from datetime import datetime
from hashlib import sha256
from itertools import product
from typing import Final, NewType

CallbackId = NewType("CallbackId", str)
OutcomeId = NewType("OutcomeId", str)
EventId = NewType("EventId", str)

RANDOM_BYTES: Final = 10
"""The random bytes of an id, which follow six bytes of time."""

# Base 32 with the extended hex alphabet sorts like its bytes; the plain alphabet does not. Two
# digits are encoded at a time: every answer gets an id, and Python's encoder takes twice as long.
_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuv"
_DIGITS: Final = ["".join(pair) for pair in product(_ALPHABET, repeat=2)]
_MASK: Final = len(_DIGITS) - 1
_BITS: Final = 8 * (6 + RANDOM_BYTES)
_PADDING: Final = -_BITS % 10
_PLACES: Final = range(_BITS + _PADDING - 10, -1, -10)


def new_callback_id(now: datetime, chance: bytes) -> CallbackId:
    """Create a callback id (`cb_…`) from a time and `RANDOM_BYTES` random bytes."""
    return CallbackId("cb_" + _ascending(now, chance))


def new_outcome_id(now: datetime, chance: bytes) -> OutcomeId:
    """Create an outcome id (`oc_…`) from a time and `RANDOM_BYTES` random bytes."""
    return OutcomeId("oc_" + _ascending(now, chance))


def new_session_id(now: datetime, chance: bytes) -> str:
    """Create the id of a session (`se_…`) from a time and `RANDOM_BYTES` random bytes."""
    return "se_" + _ascending(now, chance)


def new_event_id(now: datetime, chance: bytes) -> EventId:
    """Create an event id (`ev_…`) from a time and `RANDOM_BYTES` random bytes."""
    return EventId("ev_" + _ascending(now, chance))


def schema_id(text: str) -> str:
    """Return the id of a result schema (`sc_…`), a digest of its text."""
    return "sc_" + sha256(text.encode()).hexdigest()[:32]


def _ascending(now: datetime, chance: bytes) -> str:
    milliseconds = int(now.timestamp() * 1000)
    number = int.from_bytes(milliseconds.to_bytes(6, "big") + chance, "big") << _PADDING
    return "".join([_DIGITS[(number >> place) & _MASK] for place in _PLACES])


def to_identity(outcome_id: OutcomeId) -> str:
    """Return the identity of an outcome's deliveries, which Temporal's history records."""
    return f"ringback/{outcome_id}"


def to_resume_identity(outcome_id: OutcomeId) -> str:
    """Return the identity with which an attempt is ended so that the next one continues.

    It differs from `to_identity`: what has this identity ended without the outcome.
    """
    return f"{to_identity(outcome_id)}/resume"


def to_poll_identity(callback_id: CallbackId) -> str:
    """Return the identity with which an attempt is ended so that the next one polls."""
    return f"ringback/{callback_id}/poll"
