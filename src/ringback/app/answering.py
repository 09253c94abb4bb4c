"""What a command needs to answer a callback: as a gateway does it, without being one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from ringback.app.parts import Parts
from ringback.app.stores import existing_store
from ringback.app.system import SystemClock
from ringback.core.accept import Accepting
from ringback.core.heartbeat import Heartbeating
from ringback.core.service import running
from ringback.core.watch import Verdicts
from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock
from ringback.settings import Settings
from ringback.store.sql_store import SqlStore
from ringback.temporal.connect import connect_lazily
from ringback.temporal.converter import choose_converter


@dataclass(frozen=True, slots=True)
class Answering:
    """Takes answers and heartbeats; a running gateway delivers what was accepted.

    Attributes:
        store: Where the callbacks are.
        accepting: Takes outcomes.
        heartbeating: Takes heartbeats.
        clock: Measures how long to wait.
    """

    store: SqlStore
    accepting: Accepting
    heartbeating: Heartbeating
    clock: Clock

    async def ended(self, callback_id: CallbackId, *, within: timedelta) -> Callback | None:
        """Return the callback once its outcome has ended, or as it stands after `within`.

        Returns:
            The callback; `None` if the store could not tell in time.
        """
        return await Verdicts().wait(callback_id, self.store, self.clock, within=within)


@asynccontextmanager
async def answering(settings: Settings) -> AsyncIterator[Answering]:
    """Open what takes answers, for the block. Temporal may be away: it is asked when needed.

    Raises:
        ConfigurationError: A setting cannot be used.
        StoreUnavailableError: The store cannot be reached.
    """
    clock = SystemClock()
    client = await connect_lazily(choose_converter(settings.data_converter, None))
    async with existing_store(settings, clock) as store:
        parts = Parts(store, client, settings=settings, clock=clock)
        async with running(parts.accepting, parts.heartbeating):
            yield Answering(store, parts.accepting, parts.heartbeating, clock)
