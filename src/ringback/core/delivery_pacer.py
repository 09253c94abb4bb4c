"""When to claim outcomes for delivery, how many at a time, and when to commit their verdicts.

While Temporal is away, one delivery at a time probes it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from itertools import takewhile
from typing import Final

from ringback.core.services import caught, wait_for_event
from ringback.domain.callback import Callback
from ringback.domain.durations import backoff
from ringback.domain.errors import (
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import to_body
from ringback.ports.clock import Clock
from ringback.ports.deliveries import MOST_CLAIMED_BYTES


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


SLOTS: Final = 64
"""How many deliveries run at a time at first, and at most after Temporal was away."""

MOST: Final = 256
"""The most deliveries at a time. With more, one dev server accepts no more per second."""

PACE: Final = timedelta(milliseconds=50)
"""How long a claim waits for room for many deliveries, and a commit for more verdicts.

A commit for each verdict costs more than the deliveries themselves.
"""

SLOW: Final = timedelta(seconds=1)
"""After this time an encoding takes no slot from other deliveries."""

LONGEST_REST: Final = timedelta(seconds=1)
"""The longest time between two claims. Another process may have accepted an outcome meanwhile."""

_CUT: Final = 0.5


class ConcurrencyLimit:
    """Allows more deliveries at a time while Temporal accepts them, and half when it is busy.

    The limit grows by one with each delivery until Temporal is busy for the first time, and slowly
    from then on. Temporal limits the requests of a namespace, and failures and cancellations before
    results. Without this limit every refused delivery would be retried at once and take the slot of
    one that might pass.
    """

    def __init__(self) -> None:
        """Begin with `SLOTS` at a time."""
        self._allowed = float(SLOTS)
        self._cuts = 0
        self._is_sure = True

    @property
    def allowed(self) -> int:
        """How many deliveries may run at a time; at least one."""
        return int(self._allowed)

    def begin(self) -> int:
        """Return what to pass to `end` when the delivery that begins now has ended."""
        return self._cuts

    def end(self, began: int, *, is_busy: bool) -> None:
        """Record how a delivery ended. Those that began before a cut do not cut again."""
        if not is_busy:
            step = 1.0 if self._is_sure else 1.0 / self._allowed
            self._allowed = min(float(MOST), self._allowed + step)
        elif began == self._cuts:
            self._cut(max(1.0, self._allowed * _CUT))

    def lose(self) -> None:
        """Record that Temporal is away, and begin with few deliveries when it is back."""
        self._cut(min(float(SLOTS), self._allowed))

    def _cut(self, allowed: float) -> None:
        self._allowed = allowed
        self._cuts += 1
        self._is_sure = False


class DeliveryPacer:
    """Decides when the deliverer claims, how many outcomes it claims, and how long it rests.

    A delivery takes a slot while its outcome is encoded, unless that is slow (the codec may hang),
    and while it talks to Temporal. A claim waits until half of the slots are free or `PACE` has
    passed. While Temporal is away, one delivery at a time probes it.

    Attributes:
        woken: Set when there is a reason to claim before the rest is over.
    """

    def __init__(self, clock: Clock, jitter: Callable[[], float]) -> None:
        """Begin with a Temporal that answers and nothing to deliver."""
        self.woken = asyncio.Event()
        self._clock = clock
        self._limit = ConcurrencyLimit()
        self._breaker = CircuitBreaker(jitter)
        self._sending = 0
        #: The bytes of the outcomes that were claimed and whose deliveries have not ended.
        self._bytes = 0
        self._all_ended = asyncio.Event()
        #: When each encoding began, oldest first.
        self._encoding: dict[CallbackId, timedelta] = {}
        #: More outcomes are due than were claimed.
        self._is_behind = False
        self._claim_by = clock.monotonic()

    def wake(self) -> None:
        """Claim soon: an outcome was accepted in this process."""
        self._is_behind = True
        self.woken.set()

    @property
    def is_worth_a_claim(self) -> bool:
        """Whether many deliveries could start now, or `PACE` has passed since the last claim."""
        return self._has_room_for_many() or self._clock.monotonic() >= self._claim_by

    def begin_claim(self, free: int) -> int:
        """Return how many outcomes to claim now, at most `free`; 0 for none."""
        now = self._clock.monotonic()
        room = min(self._limit.allowed - self._taken(), free) if self.most_bytes > 0 else 0
        limit = self._breaker.limit(max(0, room), now)
        self._claim_by = now + PACE
        if limit:
            self._is_behind = False
        return limit

    @property
    def most_bytes(self) -> int:
        """How many bytes of outcomes to claim now, at most."""
        return MOST_CLAIMED_BYTES - self._bytes

    def begin_deliveries(self, claimed: Sequence[Callback], *, limit: int) -> bool:
        """Record what was claimed with this limit; return whether more may be due."""
        self._bytes += sum(map(_size_of, claimed))
        ids = (callback.id for callback in claimed)
        self._encoding |= dict.fromkeys(ids, self._clock.monotonic())
        is_behind = len(claimed) == limit or self.most_bytes <= 0
        self._is_behind |= is_behind
        return is_behind

    def end_delivery(self, callback: Callback, _: object = None) -> None:
        """Record that a delivery has ended, so that nothing refers to its outcome."""
        was_full = self.most_bytes <= 0
        self._bytes -= _size_of(callback)
        if was_full:
            self.woken.set()

    def end_encoding(self, id_: CallbackId) -> None:
        """Record that an outcome was encoded, or could not be."""
        del self._encoding[id_]

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot for a delivery."""
        self._sending += 1
        try:
            yield
        finally:
            self._sending -= 1
            if self._is_idle():
                self._all_ended.set()
            if self._is_behind and self._has_room_for_many():
                self.woken.set()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Learn from the end of the block, which delivers, whether Temporal is busy or away."""
        with ExitStack() as stack:
            stack.push(partial(self._learn, self._limit.begin()))
            yield

    def _learn(self, began: int, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, TemporalMisconfiguredError | asyncio.CancelledError):
            # The reply concerns one namespace, so deliveries to others continue.
            return
        is_busy = isinstance(error, TemporalBusyError)
        is_away = isinstance(error, TemporalUnreachableError) and not is_busy
        self._breaker.record(is_away=is_away, now=self._clock.monotonic())
        if is_away:
            self._limit.lose()
        else:
            self._limit.end(began, is_busy=is_busy)

    async def gather(self) -> None:
        """Wait until no delivery runs, at most for `PACE`: more verdicts share the commit."""
        if not self._is_idle():
            self._all_ended.clear()
            await wait_for_event(self._all_ended, self._clock, at_most=PACE)

    async def rest(
        self, next_due: Callable[[], Awaitable[timedelta | None]], *, is_store_away: bool
    ) -> None:
        """Wait until the next claim is worthwhile; `next_due` asks the store when one is due."""
        at_most = await self._compute_rest(next_due, is_store_away=is_store_away)
        await wait_for_event(self.woken, self._clock, at_most=at_most)

    async def _compute_rest(
        self, next_due: Callable[[], Awaitable[timedelta | None]], *, is_store_away: bool
    ) -> timedelta:
        now = self._clock.monotonic()
        until_probe = self._breaker.rest(now)
        if until_probe is not None:
            return min(until_probe, LONGEST_REST)
        if is_store_away:
            return LONGEST_REST
        at_least = max(timedelta(0), self._claim_by - now)
        if self._is_behind:
            return at_least
        until_due = await caught(next_due())
        if until_due is None or isinstance(until_due, Exception):
            return LONGEST_REST
        return max(at_least, min(until_due, LONGEST_REST))

    def _is_idle(self) -> bool:
        return self._sending + len(self._encoding) == 0

    def _has_room_for_many(self) -> bool:
        return self._taken() <= self._limit.allowed // 2

    def _taken(self) -> int:
        slow_since = self._clock.monotonic() - SLOW
        slow = takewhile(lambda began: began <= slow_since, self._encoding.values())
        return self._sending + len(self._encoding) - sum(1 for _ in slow)


def _size_of(callback: Callback) -> int:
    accepted = callback.accepted
    assert accepted is not None, "only accepted outcomes are due"
    return len(to_body(accepted.outcome) or b"")
