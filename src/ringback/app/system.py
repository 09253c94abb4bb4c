"""The clock, random numbers, ids and process name that programs use."""

import getpass
import os
import secrets
import socket
from collections.abc import Callable
from typing import Final

from ringback.core.services import SystemClock, jitter
from ringback.domain.ids import (
    RANDOM_BYTES,
    CallbackId,
    EventId,
    OutcomeId,
    new_callback_id,
    new_event_id,
    new_outcome_id,
)
from ringback.ports.clock import Clock

__all__ = ["SystemClock", "callback_ids", "find_os_user", "jitter", "outcome_ids", "process_name"]

_IDS_PER_FETCH: Final = 256
"""The number of ids for which random bytes are fetched together."""


class _RandomBytes:
    """Random bytes for ids, fetched for many ids together: a system call takes as long as the rest.

    Do not fork afterwards: the child would use the same bytes.
    """

    def __init__(self) -> None:
        """Start empty."""
        self._ids: list[bytes] = []

    def __call__(self) -> bytes:
        """Return `RANDOM_BYTES` bytes; each is used once."""
        while True:
            try:
                return self._ids.pop()
            except IndexError:
                self._ids += _cut(secrets.token_bytes(RANDOM_BYTES * _IDS_PER_FETCH))


def _cut(random_bytes: bytes) -> list[bytes]:
    return [
        random_bytes[at : at + RANDOM_BYTES] for at in range(0, len(random_bytes), RANDOM_BYTES)
    ]


def callback_ids(clock: Clock) -> Callable[[], CallbackId]:
    """Return a function that creates callback ids."""
    return lambda: new_callback_id(clock.now(), secrets.token_bytes(RANDOM_BYTES))


def outcome_ids(clock: Clock) -> Callable[[], OutcomeId]:
    """Return a function that creates outcome ids."""
    random_bytes = _RandomBytes()
    return lambda: new_outcome_id(clock.now(), random_bytes())


def event_ids(clock: Clock) -> Callable[[], EventId]:
    """Return a function that creates event ids."""
    random_bytes = _RandomBytes()
    return lambda: new_event_id(clock.now(), random_bytes())


def find_os_user() -> str | None:
    """Return the user that runs this process; in a container, it may have no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


def process_name() -> str:
    """Return a name for this process that no other process has, for claims in the store."""
    return f"{os.getpid()}@{socket.gethostname()}/{secrets.token_hex(4)}"
