"""Store listener: learn at once what other processes committed."""

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
    """Passes the news of the store on; without it they would be seen a moment later."""

    def __init__(
        self,
        news: ChangeFeed,
        *,
        clock: Clock,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """Tell `on_accepted` of new answers, and `on_settled` of verdicts."""
        self._news = news
        self._clock = clock
        self._on_accepted = on_accepted
        self._on_settled = on_settled
        self._outages = OutageLog(logger, "listen to the store")

    async def run(self) -> None:
        """Listen until canceled; to a store that tells nothing, not at all."""
        failure: object = Exception
        while failure is not None:
            failure = await caught(
                self._news.subscribe(on_accepted=self._on_accepted, on_settled=self._on_settled)
            )
            self._outages.record(failure)
            if failure is not None:
                await self._clock.sleep(_PAUSE)
