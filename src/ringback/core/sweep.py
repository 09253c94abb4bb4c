"""Sweep: learn which open callbacks nobody waits for any more."""

import logging
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Final

from ringback.core.service import Trouble, caught
from ringback.domain.callback import Callback, State
from ringback.domain.errors import FinalError
from ringback.domain.ids import CallbackId
from ringback.ports.activities import Activities, Ended, Pending, Unknown, Whereabouts
from ringback.ports.clock import Clock
from ringback.ports.store import CallbackIndex, CallbackStore

logger = logging.getLogger(__name__)

EVERY: Final = timedelta(seconds=1)
PAGE: Final = 50
"""How many open callbacks are looked at in one turn: what bounds the requests to Temporal."""


class Sweeper:
    """Walks the open callbacks, round and round, and closes those whose activity has ended.

    Temporal tells nobody outside when an activity times out or its workflow closes, so it is asked:
    read only, a page at a time.
    """

    def __init__(
        self, store: CallbackStore, index: CallbackIndex, activities: Activities, *, clock: Clock
    ) -> None:
        """Walk the callbacks of `index`, ask `activities`, and close in `store`."""
        self._store = store
        self._index = index
        self._activities = activities
        self._clock = clock
        self._after: CallbackId | None = None
        self._trouble = Trouble(logger, "sweep")

    async def run(self) -> None:
        """Sweep until canceled."""
        while True:
            self._trouble.note(await caught(self.sweep()))
            await self._clock.sleep(EVERY)

    async def sweep(self) -> None:
        """Look at the next page of open callbacks, once.

        A callback that cannot be looked at holds up no other.

        Raises:
            RetryableError: The store or Temporal could not be reached.
        """
        page = await self._index.page(states=frozenset({State.OPEN}), after=self._after, limit=PAGE)
        self._after = page[-1].id if len(page) == PAGE else None
        reasons: dict[CallbackId, str] = {}
        for of_one_run in _by_run(page):
            reasons |= await self._why_ended(of_one_run)
        if reasons:
            await self._store.expire(reasons)

    async def _why_ended(self, callbacks: Sequence[Callback]) -> dict[CallbackId, str]:
        reasons: dict[CallbackId, str] = {}
        try:
            looks = await self._activities.look([callback.ref for callback in callbacks])
            for callback, pending in zip(callbacks, looks, strict=True):
                if pending is None:
                    found = await self._activities.locate(callback.ref)
                    if not isinstance(found, Unknown) or self._is_overdue(callback):
                        reasons |= _named(callback.id, reason_of(found))
        except FinalError as exc:
            facts = {"callback_id": callbacks[0].id, "reason": str(exc)}
            logger.warning("cannot look", extra=facts)
        return reasons

    def _is_overdue(self, callback: Callback) -> bool:
        """Tell whether it is time to believe a Temporal that knows nothing of the activity."""
        return callback.deadline_at is not None and callback.deadline_at <= self._clock.now()


def _by_run(callbacks: Iterable[Callback]) -> Iterable[Sequence[Callback]]:
    runs: dict[tuple[str, str, str], list[Callback]] = {}
    for callback in callbacks:
        runs.setdefault(callback.ref.run, []).append(callback)
    return runs.values()


def _named(callback_id: CallbackId, reason: str | None) -> dict[CallbackId, str]:
    return {} if reason is None else {callback_id: reason}


def reason_of(found: Whereabouts) -> str | None:
    """Return in a sentence why an activity takes no answer; `None` if it still does."""
    match found:
        case Pending():
            return None
        case Ended(how, at):
            return f"the activity's end came first ({how} at {at.isoformat(timespec='seconds')})"
        case Unknown(why):
            return f"Temporal does not know the activity ({why})"
