"""Outcomes that are being encoded for delivery."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import takewhile
from typing import Final

from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock

SLOW: Final = timedelta(seconds=1)
"""From when on an encoding takes no place from other deliveries."""


class Encodings:
    """Counts encodings. A slow one does not count: the codec may hang, and others are delivered."""

    def __init__(self, clock: Clock) -> None:
        """Time encodings by `clock`."""
        self._clock = clock
        #: When each began, oldest first.
        self._began: dict[CallbackId, timedelta] = {}

    def begin(self, ids: Iterable[CallbackId]) -> None:
        """Count the encodings of these callbacks' outcomes."""
        self._began |= dict.fromkeys(ids, self._clock.monotonic())

    def end(self, id_: CallbackId) -> None:
        """Count one no more."""
        del self._began[id_]

    @property
    def all(self) -> int:
        """How many have not ended."""
        return len(self._began)

    @property
    def quick(self) -> int:
        """How many have not ended, without those that are slow."""
        slow_since = self._clock.monotonic() - SLOW
        slow = takewhile(lambda began: began <= slow_since, self._began.values())
        return self.all - sum(1 for _ in slow)
