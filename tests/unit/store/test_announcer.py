"""Commits are announced to other processes; one notification covers several commits."""

import asyncio

from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.store.listen_notify import ACCEPTED, SETTLED, Announcer


class Server:
    """Receives notifications."""

    def __init__(self) -> None:
        self.received: list[tuple[str, str]] = []
        self.is_available = True
        self._called = asyncio.Event()

    async def notify(self, channel: str, payload: str) -> None:
        self._called.set()
        if not self.is_available:
            msg = "the server is away"
            raise StoreUnavailableError(msg)
        self.received.append((channel, payload))

    async def next_call(self) -> None:
        async with asyncio.timeout(5):
            await self._called.wait()
        self._called.clear()


async def test_concurrent_commits_share_one_notification() -> None:
    server = Server()
    announcer = Announcer(server.notify)

    for number in range(100):
        announcer.announce_accepted()
        announcer.announce_settled([CallbackId(f"cb_{number % 2}")])
    await server.next_call()
    await announcer.close()

    assert server.received == [(ACCEPTED, ""), (SETTLED, "cb_0,cb_1")]


async def test_commit_after_a_notification_gets_another_one() -> None:
    server = Server()
    announcer = Announcer(server.notify)
    announcer.announce_accepted()
    await server.next_call()

    announcer.announce_settled([CallbackId("cb_1")])
    await server.next_call()
    await announcer.close()

    assert server.received == [(ACCEPTED, ""), (SETTLED, "cb_1")]


async def test_lost_notification_does_not_stop_the_next() -> None:
    server = Server()
    announcer = Announcer(server.notify)
    server.is_available = False
    announcer.announce_accepted()
    await server.next_call()

    server.is_available = True
    announcer.announce_accepted()
    await server.next_call()
    await announcer.close()

    assert server.received == [(ACCEPTED, "")]


async def test_nothing_is_sent_after_close() -> None:
    server = Server()
    announcer = Announcer(server.notify)
    announcer.announce_accepted()

    await announcer.close()

    assert server.received == []
