"""The work of the service: it takes some time, and ends with a callback."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, assert_never

import httpx2

from ringback.core.services import TaskPool, task_group
from ringback.demo.link_holder import LinkHolder
from ringback.demo.request import ActivityAction
from ringback.demo.steps import OnStep, Party, Step, log_step
from ringback.ports.clock import Clock

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
        activity_action: How it ends.
        link: Where to call back.
    """

    key: str
    time_to_callback: timedelta
    activity_action: ActivityAction
    link: str = field(repr=False)


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
        holder = LinkHolder(http, order.link, self._clock, on_step=self._on_step)
        match order.activity_action:
            case ActivityAction.COMPLETE:
                await _complete(holder, order)
            case ActivityAction.HEARTBEAT:
                await self._heartbeat(holder, order)
            case ActivityAction.FAIL:
                await _fail(holder)
            case ActivityAction.REPORT_CANCELLATION:
                await self._report_cancellation(holder)
            case ActivityAction.IGNORE:
                pass
            case _:
                assert_never(order.activity_action)

    async def _heartbeat(self, holder: LinkHolder, order: Order) -> None:
        """Heartbeat a few times, then complete; stop when the activity no longer waits."""
        for done in range(1, HEARTBEATS + 1):
            if not await holder.post("heartbeat", {"progress": f"{done}/{HEARTBEATS}"}):
                return
            await self._clock.sleep(_HEARTBEAT_EVERY)
        await _complete(holder, order)

    async def _report_cancellation(self, holder: LinkHolder) -> None:
        """Poll until a cancellation is requested, then report it."""
        self._on_step(Step(Party.SERVICE, Party.GATEWAY, "GET …, until asked to cancel"))
        for _ in range(LOOKS):
            standing = await holder.look()
            if standing is None or standing["state"] != "open":
                return
            if standing["cancel_requested"]:
                self._on_step(Step(Party.GATEWAY, Party.SERVICE, "200, cancel requested"))
                await holder.post("cancel", {"reason": "the service was asked to stop"})
                return
            await self._clock.sleep(_LOOK_EVERY)


async def _complete(holder: LinkHolder, order: Order) -> None:
    seconds = round(order.time_to_callback.total_seconds())
    await holder.post("complete", {"message": "the work is done", "seconds": seconds})


async def _fail(holder: LinkHolder) -> None:
    failure = {"message": "the work could not be done", "type": "WorkFailed", "non_retryable": True}
    await holder.post("fail", failure)
