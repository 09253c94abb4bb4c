"""Verdict waiter: wait until the outcome of a callback has a verdict."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Final

from ringback.core.services import caught, wait_for_event
from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock
from ringback.ports.store import CallbackStore

_LOOK_AGAIN: Final = timedelta(milliseconds=500)
"""How late is seen what another process did."""


def has_verdict(callback: Callback) -> bool:
    """Tell whether the callback's outcome has ended."""
    return callback.state is not State.ACCEPTED


class VerdictWaiter:
    """Passes the news of verdicts on, within this process."""

    def __init__(self) -> None:
        """Begin with nobody waiting."""
        self._waiting: defaultdict[CallbackId, set[asyncio.Event]] = defaultdict(set)
        self.is_stopping = False

    def stop_waiting(self) -> None:
        """End every wait at once, and every later one too, because the program stops."""
        self.is_stopping = True
        self.announce(list(self._waiting))

    def announce(self, callback_ids: Iterable[CallbackId]) -> None:
        """Wake who waits for any of these callbacks."""
        for callback_id in callback_ids:
            for event in self._waiting.get(callback_id, ()):
                event.set()

    async def wait(
        self,
        callback_id: CallbackId,
        store: CallbackStore,
        clock: Clock,
        *,
        within: timedelta,
        until: Callable[[Callback], bool] = has_verdict,
    ) -> Callback | None:
        """Return the callback once it is as `until` has it, or as it stands after `within`.

        When the program stops, the callback is returned as it stands.

        Returns:
            The callback; `None` if the store could not tell in time.
        """
        event = asyncio.Event()
        self._waiting[callback_id].add(event)
        give_up_at = clock.monotonic() + within
        try:
            while True:
                event.clear()
                found = await caught(store.find([callback_id]))
                callback = None if isinstance(found, Exception) else found[callback_id]
                left = give_up_at - clock.monotonic()
                is_over = self.is_stopping or left <= timedelta(0)
                if is_over or (callback and until(callback)):
                    return callback
                await wait_for_event(event, clock, at_most=min(left, _LOOK_AGAIN))
        finally:
            self._forget(callback_id, event)

    def _forget(self, callback_id: CallbackId, event: asyncio.Event) -> None:
        self._waiting[callback_id].discard(event)
        if not self._waiting[callback_id]:
            del self._waiting[callback_id]
