"""Probe: while Temporal is away, one delivery at a time finds out whether it is back."""

from collections.abc import Callable
from datetime import timedelta

from ringback.domain.durations import backoff


class CircuitBreaker:
    """Says how many deliveries may begin: all that there is room for, or one now and then.

    Without it every outcome that waits would be tried by itself, again and again, each try with a
    write to the store.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        """Begin with a Temporal that answers."""
        self._jitter = jitter
        self._probes = 0
        self._next_at: timedelta | None = None

    def limit(self, room: int, now: timedelta) -> int:
        """Return how many deliveries may begin at `now`, given `room` for that many."""
        if self._next_at is None:
            return room
        if room == 0 or now < self._next_at:
            return 0
        self._probes += 1
        self._next_at = now + self._wait()
        return min(1, room)

    def record(self, *, is_away: bool, now: timedelta) -> None:
        """Take note of how a delivery ended."""
        if not is_away:
            self._probes, self._next_at = 0, None
        elif self._next_at is None:
            self._probes = 1
            self._next_at = now + self._wait()

    def _wait(self) -> timedelta:
        return backoff(self._probes, jitter=self._jitter())

    def rest(self, now: timedelta) -> timedelta | None:
        """Return how long to wait for the next probe; `None` while Temporal answers."""
        return None if self._next_at is None else max(timedelta(0), self._next_at - now)
