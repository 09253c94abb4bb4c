"""Circuit breaker: while Temporal is away, one delivery at a time probes it."""

from collections.abc import Callable
from datetime import timedelta

from ringback.domain.durations import backoff


class CircuitBreaker:
    """Limits how many deliveries may start: all that there is room for, or one probe now and then.

    Without it, every waiting outcome would be retried on its own, each retry with a write to the
    store.
    """

    def __init__(self, jitter: Callable[[], float]) -> None:
        """Begin with a Temporal that replies."""
        self._jitter = jitter
        self._probes = 0
        self._next_at: timedelta | None = None

    def limit(self, room: int, now: timedelta) -> int:
        """Return how many deliveries may start at `now`, at most `room`."""
        if self._next_at is None:
            return room
        if room == 0 or now < self._next_at:
            return 0
        self._probes += 1
        self._next_at = now + self._wait()
        return min(1, room)

    def record(self, *, is_away: bool, now: timedelta) -> None:
        """Record whether a delivery found Temporal away."""
        if not is_away:
            self._probes, self._next_at = 0, None
        elif self._next_at is None:
            self._probes = 1
            self._next_at = now + self._wait()

    def _wait(self) -> timedelta:
        return backoff(self._probes, jitter=self._jitter())

    def rest(self, now: timedelta) -> timedelta | None:
        """Return the time until the next probe; `None` while Temporal replies."""
        return None if self._next_at is None else max(timedelta(0), self._next_at - now)
