"""What this machine gives the programs: names, ids, its clock and chance."""

import os
import secrets
import socket
from collections.abc import Callable

from ringback.core.this_machine import SystemClock, jitter
from ringback.domain.ids import (
    RANDOM_BYTES,
    CallbackId,
    OutcomeId,
    new_callback_id,
    new_outcome_id,
)
from ringback.ports.clock import Clock

__all__ = ["SystemClock", "callback_ids", "jitter", "outcome_ids", "process_name"]


def callback_ids(clock: Clock) -> Callable[[], CallbackId]:
    """Return what makes callback ids."""
    return lambda: new_callback_id(clock.now(), secrets.token_bytes(RANDOM_BYTES))


def outcome_ids(clock: Clock) -> Callable[[], OutcomeId]:
    """Return what makes outcome ids."""
    return lambda: new_outcome_id(clock.now(), secrets.token_bytes(RANDOM_BYTES))


def process_name() -> str:
    """Return a name that no other process has: who claims, in the store."""
    return f"{os.getpid()}@{socket.gethostname()}/{secrets.token_hex(4)}"
