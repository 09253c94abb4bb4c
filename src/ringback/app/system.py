"""What this machine gives the programs: names, ids, its clock and chance."""

import os
import secrets
import socket
from collections.abc import Callable
from typing import Final

from ringback.core.services import SystemClock, jitter
from ringback.domain.ids import (
    RANDOM_BYTES,
    CallbackId,
    OutcomeId,
    new_callback_id,
    new_outcome_id,
)
from ringback.ports.clock import Clock

__all__ = ["SystemClock", "callback_ids", "jitter", "outcome_ids", "process_name"]

_AT_ONCE: Final = 256
"""How many ids' worth of chance is fetched at once."""


class _Chance:
    """Random bytes for ids, fetched many at a time: to ask the system takes as long as the rest.

    Not for a process that forks: its child would give out the same ones.
    """

    def __init__(self) -> None:
        """Begin with none."""
        self._ids: list[bytes] = []

    def __call__(self) -> bytes:
        """Return `RANDOM_BYTES` that nobody has been given."""
        while True:
            try:
                return self._ids.pop()
            except IndexError:
                self._ids += _cut(secrets.token_bytes(RANDOM_BYTES * _AT_ONCE))


def _cut(chance: bytes) -> list[bytes]:
    return [chance[at : at + RANDOM_BYTES] for at in range(0, len(chance), RANDOM_BYTES)]


def callback_ids(clock: Clock) -> Callable[[], CallbackId]:
    """Return what makes callback ids."""
    return lambda: new_callback_id(clock.now(), secrets.token_bytes(RANDOM_BYTES))


def outcome_ids(clock: Clock) -> Callable[[], OutcomeId]:
    """Return what makes outcome ids."""
    chance = _Chance()
    return lambda: new_outcome_id(clock.now(), chance())


def process_name() -> str:
    """Return a name that no other process has: who claims, in the store."""
    return f"{os.getpid()}@{socket.gethostname()}/{secrets.token_hex(4)}"
