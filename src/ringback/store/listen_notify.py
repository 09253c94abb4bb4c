"""Notify other processes of commits by PostgreSQL's LISTEN and NOTIFY."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from random import SystemRandom
from typing import Final

from ringback.core.services import OutageLog, caught
from ringback.domain.durations import backoff
from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.store.asyncpg_connection import AsyncpgConnection

logger = logging.getLogger(__name__)

ACCEPTED: Final = "ringback_accepted"
SETTLED: Final = "ringback_settled"

_LONGEST_PAYLOAD: Final = 7900
"""Bytes; PostgreSQL accepts fewer than 8000."""

_CHECK_SECONDS: Final = 10
"""Interval of checks whether the connection still works."""

_PATIENCE_SECONDS: Final = 5

_PAUSE_SECONDS: Final = 0.005
"""Minimum time between two notifications of the same kind."""

Connect = Callable[[], Awaitable[AsyncpgConnection]]


def payloads(callback_ids: Sequence[CallbackId]) -> Iterator[str]:
    """Yield the ids in as few payloads as PostgreSQL accepts."""
    piece = ""
    for callback_id in callback_ids:
        if len(piece) + len(callback_id) >= _LONGEST_PAYLOAD:
            yield piece
            piece = ""
        piece += f",{callback_id}" if piece else callback_id
    if piece:
        yield piece


class Announcer:
    """Notifies other processes of commits.

    A NOTIFY locks the whole server until its transaction ends. So it runs in a transaction of its
    own, and one NOTIFY announces many commits.
    """

    def __init__(self, notify: Callable[[str, str], Awaitable[object]]) -> None:
        """Send with `notify`, which takes a channel and a payload."""
        self._notify = notify
        self._is_accepted = False
        self._settled: dict[CallbackId, None] = {}
        self._sending: asyncio.Future[None] | None = None

    def announce_accepted(self) -> None:
        """Announce soon that there is an outcome to deliver."""
        self._is_accepted = True
        self._begin()

    def announce_settled(self, callback_ids: Sequence[CallbackId]) -> None:
        """Announce soon that these callbacks have verdicts."""
        self._settled.update(dict.fromkeys(callback_ids))
        self._begin()

    async def close(self) -> None:
        """Stop sending; other processes find the rest when they poll."""
        if self._sending is not None:
            self._sending.cancel()
            await asyncio.wait([self._sending])

    def _begin(self) -> None:
        if self._sending is None or self._sending.done():
            self._sending = asyncio.ensure_future(self._send())

    async def _send(self) -> None:
        while self._is_accepted or self._settled:
            is_accepted, settled = self._is_accepted, list(self._settled)
            self._is_accepted = False
            self._settled.clear()
            # Other processes also poll.
            with suppress(StoreUnavailableError):
                if is_accepted:
                    await self._notify(ACCEPTED, "")
                for payload in payloads(settled):
                    await self._notify(SETTLED, payload)
            await asyncio.sleep(_PAUSE_SECONDS)


class Listener:
    """Calls back for commits of other processes; reconnects after an outage."""

    def __init__(
        self,
        connect: Connect,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """Listen on what `connect` returns."""
        self._connect = connect
        self._on_accepted = on_accepted
        self._on_settled = on_settled
        self._outages = OutageLog(logger, "listen for notifications")
        self._chance = SystemRandom()
        self._failures = 0

    async def run(self) -> None:
        """Listen until canceled."""
        while True:
            ended = await caught(self._listen())
            self._outages.record(ended)
            self._failures += 1
            pause = backoff(self._failures, jitter=self._chance.random())
            await asyncio.sleep(pause.total_seconds())

    async def _listen(self) -> None:
        """Listen until the connection ends."""
        async with self._connected() as connection:
            gone = asyncio.Event()
            connection.add_termination_listener(lambda _: gone.set())
            await connection.add_listener(ACCEPTED, lambda *_: self._on_accepted())
            await connection.add_listener(SETTLED, lambda *args: self._report_settled(args[-1]))
            self._failures = 0
            self._outages.record(None)
            # Notifications may have been missed while nothing listened.
            self._on_accepted()
            while not gone.is_set():
                await connection.execute("SELECT 1", timeout=_PATIENCE_SECONDS)
                await _set_within(gone, _CHECK_SECONDS)

    def _report_settled(self, payload: object) -> None:
        self._on_settled([CallbackId(id_) for id_ in str(payload).split(",")])

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncpgConnection]:
        connection = await self._connect()
        try:
            yield connection
        finally:
            # There is nothing to finish gracefully.
            connection.terminate()


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
