"""Notify open lists of the inbox that they have changed."""

import asyncio
import logging
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from ringback.core.services import OutageLog, caught, wait_for_event
from ringback.domain.inbox import InboxQuery
from ringback.ports.clock import Clock
from ringback.ports.votes import InboxStore

logger = logging.getLogger(__name__)

MOST_LISTS: Final = 1000
"""Maximum open lists per gateway."""

MOST_OF_ONE: Final = 50
"""Maximum open lists of one person per gateway, so that the others can open theirs."""

OPEN_LISTS: Final = "open_lists"
"""The name of these limits, as in `Hooks.limit_reached`."""

POLL_EVERY: Final = timedelta(seconds=1)
"""How often the store is asked whether any inbox has changed, while a list is open."""

REREAD_EVERY: Final = timedelta(seconds=30)
"""How often open lists are read again although nothing has changed: deadlines pass."""


class OpenList:
    """A list that a person has open.

    Attributes:
        query: What it shows.
        state: What it showed when it was last read, as `InboxStore.inbox_state` returns it.
        is_new: Whether it has not been read since it was opened.
    """

    def __init__(self, query: InboxQuery, state: str, clock: Clock) -> None:
        """Open a list; `InboxFeed.open` does it."""
        self.query = query
        self.state = state
        self.is_new = True
        self._clock = clock
        self._event = asyncio.Event()

    def wake(self) -> None:
        """End the current or the next `wait`."""
        self._event.set()

    async def wait(self, *, at_most: timedelta) -> bool:
        """Wait until the list has changed or the program stops; return whether either happened."""
        await wait_for_event(self._event, self._clock, at_most=at_most)
        is_awake = self._event.is_set()
        self._event.clear()
        return is_awake


class InboxFeed:
    """Reads the inboxes of open lists again when something has changed.

    While no list is open it does nothing. While lists are open and nothing changes, it makes one
    small query per `POLL_EVERY`, however many lists there are. It reads the lists one by one, so
    other readers of the store never wait for all of them.
    """

    def __init__(self, store: InboxStore, *, clock: Clock, most: int = MOST_LISTS) -> None:
        """Read inboxes from `store` for at most `most` open lists."""
        self._store = store
        self._clock = clock
        self._most = most
        self._lists: set[OpenList] = set()
        self._opened = asyncio.Event()
        self._version = ""
        self._reread_at = timedelta(0)
        self._outages = OutageLog(logger, "watch the inboxes")
        self.is_stopping = False

    def open(self, query: InboxQuery, *, state: str) -> OpenList | None:
        """Watch a list until it is closed; `None` if too many are open, or at the end.

        Args:
            query: What the list shows.
            state: What it showed when the person got it.
        """
        own = sum(one.query.user == query.user for one in self._lists)
        if self.is_stopping or len(self._lists) >= self._most or own >= MOST_OF_ONE:
            return None
        opened = OpenList(query, state, self._clock)
        self._lists.add(opened)
        self._opened.set()
        return opened

    def close(self, opened: OpenList) -> None:
        """Stop watching a list."""
        self._lists.discard(opened)

    def stop_waiting(self) -> None:
        """Wake all lists, and open no more, because the program stops."""
        self.is_stopping = True
        for opened in self._lists:
            opened.wake()

    async def run(self) -> None:
        """Watch until canceled."""
        while True:
            if not self._lists:
                self._opened.clear()
                await self._opened.wait()
            self._outages.record(await caught(self._watch()))
            await self._clock.sleep(POLL_EVERY)

    async def _watch(self) -> None:
        version, now = await self._store.inbox_version(), self._clock.monotonic()
        is_due = version != self._version or now >= self._reread_at
        # A list that is opened meanwhile is new at the next time.
        await self._read([one for one in self._lists if is_due or one.is_new])
        if is_due:
            self._version, self._reread_at = version, now + REREAD_EVERY

    async def _read(self, lists: Sequence[OpenList]) -> None:
        states: dict[InboxQuery, str] = {}
        for opened in lists:
            if opened.query not in states:
                states[opened.query] = await self._store.inbox_state(opened.query)
            if opened.state != states[opened.query]:
                opened.state = states[opened.query]
                opened.wake()
            opened.is_new = False
