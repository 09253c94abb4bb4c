"""Gauges: what waits in the store, for metrics and `ringback status`.

A scrape reads a bounded number of index entries. The callbacks of each state may be millions, so
they are counted in pages in the background, only while somebody scrapes.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ringback.core.services import OutageLog, caught, wait_for_event
from ringback.domain.callback import State
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock
from ringback.ports.gauges import MOST, Countable, GaugeStore, Snapshot

logger = logging.getLogger(__name__)

LIMIT: Final = timedelta(seconds=1)
"""How long a scrape waits for the store."""

VALID_FOR: Final = timedelta(seconds=1)
"""How long a reading is valid: many scrapers cause one read per second."""

PAGE: Final = 10_000
"""Callbacks that one statement counts, which takes about a millisecond."""

PAUSE: Final = timedelta(milliseconds=10)
"""The pause between two pages: other reads come first."""

EVERY: Final = timedelta(minutes=1)
"""The interval of counts."""

SHARE: Final = 20
"""Counting takes at most this part of the time, and so waits longer in a large store."""

_FOLLOWS: Final = {
    Countable.APPLIED: State.APPLIED,
    Countable.SUPERSEDED: State.SUPERSEDED,
    Countable.EXPIRED: State.EXPIRED,
}


@dataclass(frozen=True, slots=True)
class Counts:
    """The numbers of callbacks of one pass over the store.

    Attributes:
        of: How many there are.
        undelivered_since: When the oldest undelivered outcome was accepted.
        link_keys: The ids of the keys that signed the links of open callbacks.
    """

    of: Mapping[Countable, int]
    undelivered_since: datetime | None
    link_keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the gauges show.

    Attributes:
        snapshot: What waits.
        undelivered_since: When the oldest undelivered outcome was accepted.
        states: How many callbacks are in each state; empty until they are counted.
        link_keys: The ids of the keys of open links; empty until they are read.
    """

    snapshot: Snapshot
    undelivered_since: datetime | None
    states: Mapping[State, int]
    link_keys: frozenset[str] = frozenset()


class GaugeReader:
    """Reads the gauges of the store, and counts its callbacks while somebody reads."""

    def __init__(self, store: GaugeStore, *, clock: Clock) -> None:
        """Read from `store`."""
        self._store = store
        self._clock = clock
        self._reading = asyncio.Lock()
        self._read_at: timedelta | None = None
        self._snapshot: Snapshot | None = None
        self._counts: Counts | None = None
        self._asked = asyncio.Event()
        self._counted = asyncio.Event()
        self._outages = OutageLog(logger, "read the gauges")

    async def run(self) -> None:
        """Count until canceled."""
        # The statements are compiled at their first use, and not while somebody waits for a scrape.
        await self._read()
        while True:
            await self._asked.wait()
            self._asked.clear()
            busy = await self._count()
            await self._clock.sleep(max(EVERY, SHARE * busy))
            if not self._asked.is_set():
                # Nobody reads any more, and the next reader must not get old numbers.
                self._counts = None
                self._counted.clear()

    async def read(self, *, counts_within: timedelta = timedelta(0)) -> Reading | None:
        """Return what the gauges show; `None` if the store cannot be read in time.

        The first reading has no `states`, unless they are counted within `counts_within`.
        """
        async with self._reading:
            if self._is_old():
                self._snapshot = await self._read()
                self._read_at = self._clock.monotonic()
            snapshot = self._snapshot
        self._asked.set()
        if snapshot is None:
            return None
        if counts_within and not self._counted.is_set():
            await wait_for_event(self._counted, self._clock, at_most=counts_within)
        return _merge(snapshot, self._counts)

    def _is_old(self) -> bool:
        return self._read_at is None or self._clock.monotonic() - self._read_at >= VALID_FOR

    async def _read(self) -> Snapshot | None:
        found = await caught(self._in_time())
        self._outages.record(found)
        return None if isinstance(found, Exception) else found

    async def _in_time(self) -> Snapshot:
        try:
            async with asyncio.timeout(LIMIT.total_seconds()):
                return await self._store.snapshot()
        except TimeoutError:
            msg = f"the store did not respond within {LIMIT.total_seconds():g} s"
            raise StoreUnavailableError(msg) from None

    async def _count(self) -> timedelta:
        """Count all callbacks; return how long the store was busy with it."""
        busy = _Stopwatch(self._clock)
        counts = await caught(self._count_all(busy))
        self._outages.record(counts)
        self._counts = None if isinstance(counts, Exception) else counts
        self._counted.set()
        return busy.total

    async def _count_all(self, busy: "_Stopwatch") -> Counts:
        of = {what: await self._count_one(what, busy) for what in Countable}
        with busy:
            since = await self._store.oldest_undelivered()
            link_keys = await self._store.link_keys()
        return Counts(of, since, link_keys)

    async def _count_one(self, what: Countable, busy: "_Stopwatch") -> int:
        total, after = 0, CallbackId("")
        while True:
            with busy:
                count, last = await self._store.count_page(what, after, limit=PAGE)
            total += count
            if last is None:
                return total
            after = last
            await self._clock.sleep(PAUSE)


class _Stopwatch:
    """Adds up how long its blocks take."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = timedelta(0)
        self.total = timedelta(0)

    def __enter__(self) -> None:
        self._began = self._clock.monotonic()

    def __exit__(self, *_: object) -> None:
        self.total += self._clock.monotonic() - self._began


def _merge(snapshot: Snapshot, counts: Counts | None) -> Reading:
    """Return a reading: exact numbers where few wait, and the last pass where many do."""
    undelivered, parked = snapshot.undelivered, snapshot.parked
    if counts is None:
        return Reading(snapshot, undelivered.since, {})
    of = counts.of
    states = {state: of[what] for what, state in _FOLLOWS.items()}
    # `open` is a difference within one pass. A callback may have moved during the pass.
    states[State.OPEN] = max(
        0, of[Countable.NOT_CLOSED] - of[Countable.ACCEPTED] - of[Countable.PARKED]
    )
    states[State.PARKED] = max(parked, of[Countable.PARKED]) if parked >= MOST else parked
    if undelivered.is_all:
        states[State.ACCEPTED] = undelivered.count
        return Reading(snapshot, undelivered.since, states, counts.link_keys)
    states[State.ACCEPTED] = max(undelivered.count, of[Countable.ACCEPTED])
    since = min(filter(None, [undelivered.since, counts.undelivered_since]))
    return Reading(snapshot, since, states, counts.link_keys)
