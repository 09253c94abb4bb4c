"""Retention: delete what ended long ago, in small batches that do not disturb accepting."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.services import FailureLog, OutageLog, caught, write_each
from ringback.domain.errors import MalformedRequestError, Problem
from ringback.ports.clock import Clock
from ringback.ports.retention import (
    EndedRecords,
    Leftovers,
    Record,
    RecordKind,
    StoredBodies,
    Window,
)

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(minutes=1)
"""The time between two walks over what has ended."""

LARGEST_BATCH: Final = 500
SMALLEST_BATCH: Final = 100
LONGEST_BATCH: Final = timedelta(milliseconds=40)
"""A batch that takes longer makes the next one smaller: on SQLite, answers wait for it."""

PAUSE: Final = 10
"""A pause is so many times as long as the batch before it, which is longer under load."""

_SHORTEST_PAUSE: Final = timedelta(milliseconds=5)


@dataclass(slots=True)
class Purged:
    """What one batch has deleted.

    Attributes:
        counts: The number of deleted rows by table.
        after: Where the next batch begins; `None` if this one was the last.
    """

    counts: Counter[str] = field(default_factory=Counter)
    after: str | None = None


class Retention:
    """Deletes what ended long ago: on its own, and when an operator asks for it.

    Any number of gateways may do it at once. A batch that fails or is killed has deleted nothing,
    and is tried again by the next walk.
    """

    def __init__(
        self,
        ended: Mapping[RecordKind, EndedRecords],
        leftovers: Leftovers,
        *,
        keep_ended_for: timedelta | None,
        clock: Clock,
        bodies: Mapping[RecordKind, StoredBodies] | None = None,
        drop_bodies_after: timedelta | None = None,
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Delete `ended` records after `keep_ended_for`; never, if it is `None`.

        Drop their `bodies` after `drop_bodies_after`; `None` keeps them as long as the records.
        """
        self._ended = ended
        self._leftovers = leftovers
        self._keep_ended_for = keep_ended_for
        self._bodies = bodies or {}
        self._drop_bodies_after = drop_bodies_after
        self._clock = clock
        self._hooks = hooks
        self._size = SMALLEST_BATCH
        self._outages = OutageLog(logger, "delete what ended long ago")
        self._failures = FailureLog(logger, "delete what ended long ago")

    async def run(self) -> None:
        """Delete until canceled."""
        if self._keep_ended_for is None:
            logger.info("what has ended is kept forever (RINGBACK_KEEP_ENDED_FOR)")
        else:
            facts = {"keep_ended_for": str(self._keep_ended_for)}
            logger.info("what has ended is deleted after RINGBACK_KEEP_ENDED_FOR", extra=facts)
        while True:
            self._outages.record(await caught(self.walk()))
            await self._clock.sleep(EVERY)

    async def walk(self) -> Mapping[str, int]:
        """Delete all that may be deleted now; return the number of deleted rows by table.

        Raises:
            StoreUnavailableError: The store could not be reached; some of it may be deleted.
        """
        counts = Counter(await self._leftovers.purge_sessions())
        counts["schemas"] = await self._purge_schemas()
        self._report(counts)
        if self._drop_bodies_after is not None:
            for kind, bodies in self._bodies.items():
                counts[f"{kind.value}_bodies"] += await self._drop(bodies, self._drop_bodies_after)
        # First callbacks: events are kept as long as the callback that they led to.
        kinds = () if self._keep_ended_for is None else self._ended
        for kind in kinds:
            after: str | None = None
            while True:
                began_at = self._clock.monotonic()
                purged = await self.purge(kind, after=after)
                took = self._clock.monotonic() - began_at
                counts += purged.counts
                after = purged.after
                if after is None:
                    break
                await self._clock.sleep(max(_SHORTEST_PAUSE, PAUSE * took))
        counts = +counts
        if counts:
            logger.info("deleted what ended long ago", extra={"rows": dict(counts)})
        return counts

    async def _purge_schemas(self) -> int:
        total = 0
        while True:
            began_at = self._clock.monotonic()
            looked_at, deleted = await self._leftovers.purge_schemas(limit=SMALLEST_BATCH)
            total += deleted
            if looked_at < SMALLEST_BATCH:
                return total
            await self._clock.sleep(PAUSE * (self._clock.monotonic() - began_at))

    async def _drop(self, bodies: StoredBodies, age: timedelta) -> int:
        after: str | None = None
        dropped = 0

        async def drop_some(ids: Sequence[str]) -> None:
            nonlocal dropped
            dropped += await bodies.drop_bodies(ids, age)

        while True:
            began_at = self._clock.monotonic()
            window = await bodies.find_bodies(age, after=after, limit=SMALLEST_BATCH)
            for id_, failure in await write_each(drop_some, window.ids):
                self._failures.report(id_, failure)
            after = window.after
            if after is None:
                return dropped
            await self._clock.sleep(PAUSE * (self._clock.monotonic() - began_at))

    async def purge(
        self,
        kind: RecordKind,
        *,
        older_than: timedelta | None = None,
        after: str | None = None,
        dry_run: bool = False,
    ) -> Purged:
        """Delete one batch of records of `kind`; without `older_than`, as the settings say.

        Args:
            kind: What is deleted.
            older_than: How long ago it ended at least.
            after: `Purged.after` of the batch before.
            dry_run: Only count.

        Raises:
            MalformedRequestError: `after` is not what a batch has returned, or neither the caller
                nor the settings say what is old enough.
            StoreUnavailableError: The store could not be reached; nothing was deleted.
        """
        age = self._age(older_than)
        began_at = self._clock.monotonic()
        window = await self._find(kind, age, after=after, limit=self._size)
        purged = Purged(after=window.after)
        records = self._ended[kind]

        async def purge_some(ids: Sequence[str]) -> None:
            purged.counts += Counter(await records.purge(ids, age, dry_run=dry_run))

        for id_, failure in await write_each(purge_some, window.ids):
            self._failures.report(id_, failure)
        if not dry_run:
            self._report(purged.counts)
        self._resize(self._clock.monotonic() - began_at)
        return purged

    async def export(
        self,
        kind: RecordKind,
        *,
        older_than: timedelta | None = None,
        after: str | None = None,
        limit: int,
    ) -> tuple[Sequence[Record], str | None]:
        """Return what a batch would delete, and where the next one begins.

        Raises:
            MalformedRequestError: As by `purge`.
            StoreUnavailableError: The store could not be reached.
        """
        window = await self._find(kind, self._age(older_than), after=after, limit=limit)
        return await self._ended[kind].export(window.ids), window.after

    async def purge_exported(
        self,
        kind: RecordKind,
        versions: Mapping[str, int],
        *,
        older_than: timedelta | None = None,
    ) -> Mapping[str, int]:
        """Delete records that were exported, unless they have changed since.

        Raises:
            MalformedRequestError: Neither the caller nor the settings say what is old enough.
            StoreUnavailableError: The store could not be reached; nothing was deleted.
        """
        age = self._age(older_than)
        counts = await self._ended[kind].purge(list(versions), age, versions=versions)
        self._report(counts)
        return counts

    async def _find(
        self, kind: RecordKind, age: timedelta, *, after: str | None, limit: int
    ) -> Window:
        try:
            return await self._ended[kind].find_ended(age, after=after, limit=limit)
        except ValueError as exc:
            raise MalformedRequestError([Problem("/after", "no batch has returned it")]) from exc

    def _age(self, older_than: timedelta | None) -> timedelta:
        age = self._keep_ended_for if older_than is None else older_than
        if age is None:
            msg = "this gateway keeps what has ended forever; say how old it must be"
            raise MalformedRequestError([Problem("/older_than", msg)])
        return age

    def _resize(self, took: timedelta) -> None:
        wanted = self._size // 2 if took > LONGEST_BATCH else self._size * 2
        if took > LONGEST_BATCH or 2 * took < LONGEST_BATCH:
            self._size = min(max(wanted, SMALLEST_BATCH), LARGEST_BATCH)

    def _report(self, counts: Mapping[str, int]) -> None:
        for table, count in counts.items():
            if count:
                self._hooks.rows_purged(table, count)
