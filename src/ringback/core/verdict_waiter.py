"""Verdict waiter: wait until the outcome of a callback has a verdict."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.services import wait_for_event
from ringback.domain.callback import Callback, State
from ringback.domain.errors import RingbackError
from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock
from ringback.ports.store import CallbackStore

_POLL_EVERY: Final = timedelta(milliseconds=500)
"""How often the store is read, in case a verdict of another process was not announced."""

MOST_WAITS: Final = 1000
"""Maximum requests of this process that wait; each reads the store twice a second."""

MOST_WAITS_OF_ONE: Final = 20
"""Maximum requests that wait for one callback."""

WAITS: Final = "waits"
"""The name of this limit, as in `Hooks.limit_reached`."""


def has_verdict(callback: Callback) -> bool:
    """Return whether the outcome of `callback` has a verdict."""
    return callback.state is not State.ACCEPTED


class VerdictWaiter:
    """Wakes requests of this process that wait for a verdict."""

    def __init__(self, store: CallbackStore, clock: Clock, *, hooks: Hooks = NO_HOOKS) -> None:
        """Read callbacks from `store`; `clock` measures the waits."""
        self._store = store
        self._hooks = hooks
        self._count = 0
        self._clock = clock
        self._waiting: defaultdict[CallbackId, set[asyncio.Event]] = defaultdict(set)
        self.is_stopping = False

    def stop_waiting(self) -> None:
        """End all waits, also later ones, because the program stops."""
        self.is_stopping = True
        self.announce(list(self._waiting))

    def announce(self, callback_ids: Iterable[CallbackId]) -> None:
        """Wake the requests that wait for one of these callbacks."""
        for callback_id in callback_ids:
            for event in self._waiting.get(callback_id, ()):
                event.set()

    def shorten(self, callback_id: CallbackId, within: timedelta) -> timedelta:
        """Return how long a request may wait for a callback: `within`, or zero if too many do."""
        own = len(self._waiting.get(callback_id, ()))
        if not within or (self._count < MOST_WAITS and own < MOST_WAITS_OF_ONE):
            return within
        self._hooks.limit_reached(WAITS)
        return timedelta(0)

    async def wait(
        self,
        callback_id: CallbackId,
        *,
        within: timedelta,
        until: Callable[[Callback], bool] = has_verdict,
    ) -> Callback | None:
        """Wait until `until` is true of the callback, at most for `within`.

        The wait also ends when the program stops.

        Returns:
            The callback's latest state; `None` if the store could not be read.
        """
        event = asyncio.Event()
        self._waiting[callback_id].add(event)
        self._count += 1
        give_up_at = self._clock.monotonic() + within
        try:
            while True:
                event.clear()
                callback = await self._find(callback_id)
                left = give_up_at - self._clock.monotonic()
                is_over = self.is_stopping or left <= timedelta(0)
                if is_over or (callback and until(callback)):
                    return callback
                await wait_for_event(event, self._clock, at_most=min(left, _POLL_EVERY))
        finally:
            self._count -= 1
            self._forget(callback_id, event)

    async def _find(self, callback_id: CallbackId) -> Callback | None:
        try:
            return (await self._store.find([callback_id]))[callback_id]
        except RingbackError:
            return None

    def _forget(self, callback_id: CallbackId, event: asyncio.Event) -> None:
        self._waiting[callback_id].discard(event)
        if not self._waiting[callback_id]:
            del self._waiting[callback_id]
