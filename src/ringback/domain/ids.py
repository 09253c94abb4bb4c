"""Ids: short, opaque, and ascending with the time they were made."""

from base64 import b32hexencode
from datetime import datetime
from hashlib import sha256
from typing import Final, NewType

CallbackId = NewType("CallbackId", str)
OutcomeId = NewType("OutcomeId", str)

RANDOM_BYTES: Final = 10
"""How many bytes of chance an id carries, after six bytes of time."""


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
    packed = milliseconds.to_bytes(6, "big") + chance
    # Unlike plain base 32 it sorts as its bytes do.
    return b32hexencode(packed).decode("ascii").rstrip("=").lower()
