"""Senders: each sends one answer to one link until it gets a final reply."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import httpx2

from chaos.plan import Answer, Sending

NO_REPLY: Final = (httpx2.TransportError, AttributeError, RuntimeError)
"""Errors of requests without a reply. The HTTP library raises the last two if a connection is reset
while it opens."""

_TIMEOUT_SECONDS: Final = 4
_HANG_UP_SECONDS: Final = 0.02
_WAIT_SECONDS: Final = 2
_POISED_SECONDS: Final = 1
_AGAIN_SECONDS: Final = (0.2, 1.0)
_UNKNOWN: Final = {"state": "open", "cancel_requested": None}
_NOT_YET: Final = "urn:ringback:no-cancel-requested"


@dataclass(frozen=True, slots=True)
class Reply:
    """The final reply to one sender.

    Attributes:
        status: The HTTP status.
        callback_id: The callback that it names, if any.
        state: The callback's state, if the reply contains it.
        is_duplicate: Whether the same answer was accepted before.
    """

    status: int
    callback_id: str | None
    state: str | None
    is_duplicate: bool

    @property
    def is_kept(self) -> bool:
        """Whether it acknowledges that the answer is stored."""
        return 200 <= self.status < 300

    def __str__(self) -> str:
        told = [str(self.status), self.state or "", "duplicate" if self.is_duplicate else ""]
        return " ".join(word for word in told if word)


@dataclass
class Sent:
    """An answer that is being sent.

    Attributes:
        answer: The answer.
        callback_id: The callback of the link.
        replies: The final replies.
        open: Number of senders without a final reply.
    """

    answer: Answer
    callback_id: str
    replies: list[Reply] = field(default_factory=list)
    open: int = 0

    @property
    def is_kept(self) -> bool:
        """Whether a reply acknowledged that it is stored."""
        return any(reply.is_kept for reply in self.replies)


class Post:
    """Sends answers to random gateways, as a load balancer does."""

    def __init__(self, gateways: Sequence[str], read_key: Callable[[], str]) -> None:
        """Send to `gateways`; `read_key` returns the API key with which people vote."""
        self._gateways = gateways
        self._read_key = read_key
        limits = httpx2.Limits(max_connections=200, max_keepalive_connections=100)
        self._http = httpx2.AsyncClient(limits=limits, timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._accepted = asyncio.Event()
        self.statuses: Counter[str] = Counter()
        self.outages: list[datetime] = []

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def send(self, path: str, sent: Sent, sending: Sending, *, random: Random) -> None:
        """Retry until there is a final reply, and add it to `sent`."""
        sent.open += 1
        await asyncio.sleep(sending.after)
        if sent.answer.verb == "cancel":
            await self._until_cancel_requested(path, random)
        if sending.hangs_up:
            await self._try(path, sent.answer, random, hangs_up=True)
        while True:
            reply = await self._try(path, sent.answer, random, waits=sending.waits)
            if reply is not None and _is_final(reply):
                break
            await asyncio.sleep(random.uniform(*_AGAIN_SECONDS))
        sent.replies.append(_to_reply(reply))
        sent.open -= 1

    async def call(
        self, method: str, path: str, *, body: object, random: Random, hangs_up: bool = False
    ) -> httpx2.Response | None:
        """Call the API at a random gateway; return `None` without a reply."""
        timeout = _HANG_UP_SECONDS if hangs_up else _TIMEOUT_SECONDS
        headers = {"authorization": f"Bearer {self._read_key()}"}
        url = random.choice(self._gateways) + path
        reply = None
        with suppress(*NO_REPLY):
            reply = await self._http.request(
                method, url, json=body, headers=headers, timeout=timeout
            )
        self.statuses["none" if reply is None else str(reply.status_code)] += 1
        if not hangs_up and (reply is None or reply.status_code >= 500):
            self.outages.append(datetime.now(UTC))  # noqa: TID251 - the programs use it too
        if reply is not None and reply.status_code == 202:
            self._accepted.set()
        return reply

    async def deliver(
        self,
        path: str,
        content: bytes,
        headers: Mapping[str, str],
        *,
        random: Random,
        hangs_up: bool = False,
    ) -> httpx2.Response | None:
        """Send an event to a random gateway; return `None` without a reply."""
        timeout = _HANG_UP_SECONDS if hangs_up else _TIMEOUT_SECONDS
        url = random.choice(self._gateways) + path
        reply = None
        with suppress(*NO_REPLY):
            reply = await self._http.post(url, content=content, headers=headers, timeout=timeout)
        self.statuses["event none" if reply is None else f"event {reply.status_code}"] += 1
        if reply is not None and reply.is_success:
            self._accepted.set()
        return reply

    async def next_accepted(self) -> None:
        """Wait until an answer is accepted, but not for long."""
        self._accepted.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(_POISED_SECONDS):
                await self._accepted.wait()

    async def beat(self, path: str, seconds: float, random: Random) -> None:
        """Send heartbeats for a while, and ignore the replies."""
        for beat in range(int(seconds / 0.4)):
            await self._post(f"{path}/heartbeat", {"beat": beat}, random)
            await asyncio.sleep(0.4)

    async def _until_cancel_requested(self, path: str, random: Random) -> None:
        """Poll until a cancellation is requested or the callback is closed."""
        while True:
            with suppress(*NO_REPLY):
                view = await self._http.get(random.choice(self._gateways) + path)
                told = view.json() if view.is_success else _UNKNOWN
                if told["state"] != "open" or told["cancel_requested"]:
                    return
            await asyncio.sleep(random.uniform(*_AGAIN_SECONDS))

    async def _try(
        self,
        path: str,
        answer: Answer,
        random: Random,
        *,
        hangs_up: bool = False,
        waits: bool = False,
    ) -> httpx2.Response | None:
        timeout = _HANG_UP_SECONDS if hangs_up else _TIMEOUT_SECONDS
        headers = {"prefer": f"wait={_WAIT_SECONDS}"} if waits else {}
        reply = await self._post(
            f"{path}/{answer.verb}", answer.body, random, headers=headers, timeout=timeout
        )
        self.statuses["none" if reply is None else str(reply.status_code)] += 1
        if reply is not None and reply.status_code == 202:
            self._accepted.set()
        return reply

    async def _post(
        self, path: str, body: object, random: Random, **more: Any
    ) -> httpx2.Response | None:
        try:
            return await self._http.post(random.choice(self._gateways) + path, json=body, **more)
        except NO_REPLY:
            return None


def _is_final(reply: httpx2.Response) -> bool:
    if reply.status_code == 409 and reply.json().get("type") == _NOT_YET:
        return False
    return reply.status_code < 500


def _to_reply(reply: httpx2.Response) -> Reply:
    told = reply.json()
    return Reply(
        reply.status_code, told.get("callback"), told.get("state"), bool(told.get("duplicate"))
    )
