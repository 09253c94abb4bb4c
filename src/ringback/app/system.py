"""This machine's clock and chance."""

import asyncio
import os
import random
import secrets
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from ringback.domain.ids import (
    RANDOM_BYTES,
    CallbackId,
    OutcomeId,
    new_callback_id,
    new_outcome_id,
)
from ringback.ports.clock import Clock


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """See `Clock.now`."""
        return datetime.now(UTC)  # noqa: TID251 - this is where time comes in

    async def sleep(self, delay: timedelta) -> None:
        """See `Clock.sleep`."""
        await asyncio.sleep(delay.total_seconds())


def callback_ids(clock: Clock) -> Callable[[], CallbackId]:
    """Return what makes callback ids."""
    return lambda: new_callback_id(clock.now(), secrets.token_bytes(RANDOM_BYTES))


def outcome_ids(clock: Clock) -> Callable[[], OutcomeId]:
    """Return what makes outcome ids."""
    return lambda: new_outcome_id(clock.now(), secrets.token_bytes(RANDOM_BYTES))


jitter: Final[Callable[[], float]] = random.SystemRandom().random
"""Chance, from 0 to 1."""


def process_name() -> str:
    """Return a name that no other process has: who claims, in the store."""
    return f"{os.getpid()}@{socket.gethostname()}/{secrets.token_hex(4)}"
