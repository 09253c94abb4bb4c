"""Store listener: receive the commits of other processes without polling."""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from ringback.core.services import OutageLog, caught
from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock
from ringback.ports.store import ChangeFeed

logger = logging.getLogger(__name__)

_PAUSE: Final = timedelta(seconds=5)


class StoreListener:
    """Forwards the store's notifications; without them, changes are noticed a moment later."""

    def __init__(
        self,
        changes: ChangeFeed,
        *,
        clock: Clock,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """Call `on_accepted` for new answers, and `on_settled` for verdicts."""
        self._changes = changes
        self._clock = clock
        self._on_accepted = on_accepted
        self._on_settled = on_settled
        self._outages = OutageLog(logger, "listen to the store")

    async def run(self) -> None:
        """Listen until canceled; return at once if the store has no notifications."""
        failure: object = Exception
        while failure is not None:
            failure = await caught(
                self._changes.subscribe(on_accepted=self._on_accepted, on_settled=self._on_settled)
            )
            self._outages.record(failure)
            if failure is not None:
                await self._clock.sleep(_PAUSE)
