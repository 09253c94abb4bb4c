"""The work of the service: it takes some time, and ends with a callback.

The service calls back at URLs that it was given; it needs no code of Ringback.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from http import HTTPStatus
from typing import Any, Final

import httpx2

from ringback.core.services import TaskPool, task_group
from ringback.demo.request import ActivityAction
from ringback.demo.steps import OnStep, Party, Step, log_step
from ringback.ports.clock import Clock

_PATIENCE: Final = timedelta(seconds=60)
"""How long one request is retried."""

_REST: Final = timedelta(milliseconds=500)
"""The wait between two tries without `Retry-After`."""


class LinkHolder:
    """Posts to the URLs of one callback.

    It retries while the gateway is unreachable or replies with `Retry-After`. That is safe: the
    gateway recognizes the same answer.
    """

    def __init__(
        self, http: httpx2.AsyncClient, clock: Clock, *, on_step: OnStep = log_step
    ) -> None:
        """Send requests with `http`, wait by `clock`, and report steps to `on_step`."""
        self._on_step = on_step
        self._http = http
        self._clock = clock

    async def post(self, url: str, body: object, *, action: str) -> bool:
        """Post `body` to `url`; return whether it was accepted."""
        self._on_step(Step(Party.SERVICE, Party.GATEWAY, f"POST … ({action})"))
        reply = await self._send("POST", url, json=body)
        said = "cannot be reached" if reply is None else str(reply.status_code)
        self._on_step(Step(Party.GATEWAY, Party.SERVICE, said))
        return reply is not None and reply.is_success

    async def look(self, url: str) -> dict[str, Any] | None:
        """Return the callback's status at `url`; `None` if there is none."""
        reply = await self._send("GET", url)
        if reply is None or not reply.is_success:
            return None
        standing: dict[str, Any] = reply.json()
        return standing

    async def _send(self, method: str, url: str, **content: object) -> httpx2.Response | None:
        """Return the last reply; `None` if there was none."""
        give_up_at = self._clock.now() + _PATIENCE
        while True:
            reply = await self._try(method, url, content)
            rest = _rest_after(reply)
            if rest is None or self._clock.now() + rest > give_up_at:
                return reply
            await self._clock.sleep(rest)

    async def _try(self, method: str, url: str, content: dict[str, Any]) -> httpx2.Response | None:
        try:
            return await self._http.request(method, url, **content)
        except httpx2.TransportError:
            return None


def _rest_after(reply: httpx2.Response | None) -> timedelta | None:
    """Return the wait before the next try; `None` if `reply` is final."""
    if reply is None:
        return _REST
    if not reply.is_server_error and reply.status_code != HTTPStatus.TOO_MANY_REQUESTS:
        return None
    wanted = reply.headers.get("retry-after", "")
    return timedelta(seconds=int(wanted)) if wanted.isdecimal() else _REST


HEARTBEATS: Final = 3
LOOKS: Final = 120
"""How many times the service polls for a cancel request."""

_HEARTBEAT_EVERY: Final = timedelta(seconds=2)
"""Longer than the gateway's heartbeat interval: half of the activity's heartbeat timeout."""
_LOOK_EVERY: Final = timedelta(milliseconds=500)
_TIMEOUT_SECONDS: Final = 10
_SLOTS: Final = 10_000
_REMEMBERED: Final = 10_000
"""The number of orders that are remembered, to recognize repeated ones."""


@dataclass(frozen=True, slots=True)
class Order:
    """The order for one piece of work.

    Attributes:
        key: The idempotency key: the same key is the same work.
        time_to_callback: How long the work takes.
        activity_action: What is asked of the activity then.
        callback_url: Where to call back; it is used as it is.
        action_urls: Where to call back for single actions instead.
    """

    key: str
    time_to_callback: timedelta
    activity_action: ActivityAction
    callback_url: str = field(repr=False)
    action_urls: Mapping[ActivityAction, str] = field(default_factory=dict, repr=False)

    @property
    def content(self) -> dict[str, Any]:
        """What the service says with the action, besides its name."""
        match self.activity_action:
            case ActivityAction.FAIL:
                kind = {"type": "WorkFailed", "non_retryable": True}
                return {"message": "the work could not be done", **kind}
            case ActivityAction.REPORT_CANCELLATION:
                return {"reason": "the service was asked to stop"}
            case _:
                seconds = round(self.time_to_callback.total_seconds())
                return {"message": "the work is done", "seconds": seconds}


class Work:
    """Does the work of each order once."""

    def __init__(self, clock: Clock, on_step: OnStep = log_step) -> None:
        """Wait by `clock`, and report steps to `on_step`."""
        self._on_step = on_step
        self._clock = clock
        self._begun: asyncio.Queue[Order] = asyncio.Queue()
        self._known: dict[str, None] = {}

    def begin(self, order: Order) -> bool:
        """Start the work unless it was started before; return whether it is new."""
        if order.key in self._known:
            return False
        self._known[order.key] = None
        if len(self._known) > _REMEMBERED:
            del self._known[next(iter(self._known))]
        self._begun.put_nowait(order)
        return True

    async def run(self) -> None:
        """Work until canceled."""
        async with httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS) as http, task_group() as group:
            crew = TaskPool(group, _SLOTS)
            while True:
                order = await self._begun.get()
                await crew.room()
                crew.start(self._do(order, http), name=f"work for {order.key}")

    async def _do(self, order: Order, http: httpx2.AsyncClient) -> None:
        await self._clock.sleep(order.time_to_callback)
        action = order.activity_action
        holder = LinkHolder(http, self._clock, on_step=self._on_step)
        url = order.action_urls.get(action)
        if url is None:
            body = {"activity_action": action, **order.content}
            await holder.post(order.callback_url, body, action=action)
        elif action is ActivityAction.HEARTBEAT:
            await self._heartbeat(holder, order, url)
        elif action is ActivityAction.REPORT_CANCELLATION:
            if await self._is_to_cancel(holder, order.callback_url):
                await holder.post(url, order.content, action=action)
        else:
            await holder.post(url, order.content, action=action)

    async def _heartbeat(self, holder: LinkHolder, order: Order, url: str) -> None:
        """Heartbeat a few times, then complete; stop when the activity no longer waits."""
        for done in range(1, HEARTBEATS + 1):
            progress = {"progress": f"{done}/{HEARTBEATS}"}
            if not await holder.post(url, progress, action=ActivityAction.HEARTBEAT):
                return
            await self._clock.sleep(_HEARTBEAT_EVERY)
        action = ActivityAction.COMPLETE
        end = order.action_urls.get(action, order.callback_url)
        await holder.post(end, order.content, action=action)

    async def _is_to_cancel(self, holder: LinkHolder, url: str) -> bool:
        """Poll until a cancellation is requested; return whether it was."""
        self._on_step(Step(Party.SERVICE, Party.GATEWAY, "GET …, until asked to cancel"))
        for _ in range(LOOKS):
            standing = await holder.look(url)
            if standing is None or standing["state"] != "open":
                return False
            if standing["cancel_requested"]:
                self._on_step(Step(Party.GATEWAY, Party.SERVICE, "200, cancel requested"))
                return True
            await self._clock.sleep(_LOOK_EVERY)
        return False
