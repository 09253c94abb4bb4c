"""Webhook sender: send each webhook until it is received, or its retries end."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

from ringback.core.group_commit import GroupCommit, acknowledged
from ringback.core.services import (
    OutageLog,
    TaskPool,
    caught,
    run_services,
    task_group,
    wait_for_event,
)
from ringback.domain.durations import backoff
from ringback.domain.webhook import Webhook, to_body, to_origin
from ringback.ports.clock import Clock
from ringback.ports.webhooks import (
    MAX_ORIGINS,
    Message,
    NotReceived,
    Received,
    Reception,
    Sender,
    Undeliverable,
    WebhookEnd,
    WebhookOutbox,
    WebhookRetry,
)

logger = logging.getLogger(__name__)

SLOTS: Final = 64
"""How many notices are sent at a time, at most."""

HOST_SLOTS: Final = SLOTS // MAX_ORIGINS
"""How many of them go to one host, so that one that answers nothing keeps no other waiting."""

LEASE: Final = timedelta(minutes=1)
"""For how long a claimed notice is left alone: longer than sending it once takes."""

LONGEST_REST: Final = timedelta(seconds=1)
"""How late a notice is seen that another process made."""

FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=3)
BUDGET: Final = timedelta(days=3)
"""For how long a notice is sent again that nobody receives."""


class WebhookSender:
    """Claims notices that are due, sends each, and keeps what became of it.

    It may be killed at any moment: what it had claimed is sent again, under the same id, when the
    lease has passed. So a notice is received at least once, and any two in any order.
    """

    def __init__(
        self, webhooks: WebhookOutbox, sender: Sender, *, clock: Clock, jitter: Callable[[], float]
    ) -> None:
        """Send from `webhooks` by `sender`."""
        self._notices = webhooks
        self._sender = sender
        self._clock = clock
        self._jitter = jitter
        self._finished = asyncio.Event()
        self._sending: Counter[str] = Counter()
        self._outages = OutageLog(logger, "claim notices")
        self._ending = GroupCommit(acknowledged(webhooks.end_webhooks))
        self._postponing = GroupCommit(acknowledged(webhooks.postpone_webhooks))

    async def run(self) -> None:
        """Tell until canceled; what is being sent then is sent again by whoever claims it next."""
        async with run_services(self._ending, self._postponing), task_group() as group:
            await self._tell_with(TaskPool(group, SLOTS))

    async def _tell_with(self, crew: TaskPool) -> None:
        while True:
            self._finished.clear()
            if not await self._has_started_some(crew):
                await wait_for_event(self._finished, self._clock, at_most=await self._rest(crew))

    async def _has_started_some(self, crew: TaskPool) -> bool:
        if crew.free == 0:
            return False
        claim = self._notices.claim_webhooks(
            limit=self._room(crew), lease=LEASE, excluded=self._full
        )
        due = await caught(claim)
        self._outages.record(due)
        if isinstance(due, Exception):
            return False
        for webhook in due:
            origin = to_origin(webhook.url)
            self._sending[origin] += 1
            task = crew.start(self._tell(webhook), name=f"telling of {webhook.callback_id}")
            task.add_done_callback(partial(self._finish, origin))
        return bool(due)

    @property
    def _full(self) -> list[str]:
        return [origin for origin, count in self._sending.items() if count >= HOST_SLOTS]

    def _room(self, crew: TaskPool) -> int:
        """Return how many may be claimed though all of them may go to the same host."""
        others = [count for count in self._sending.values() if count < HOST_SLOTS]
        return min(crew.free, HOST_SLOTS - max(others, default=0))

    def _finish(self, origin: str, _: asyncio.Task[None]) -> None:
        self._sending[origin] -= 1
        if not self._sending[origin]:
            del self._sending[origin]
        self._finished.set()

    async def _rest(self, crew: TaskPool) -> timedelta:
        # What is due may go to a host that has its fill.
        if crew.free == 0 or self._full or self._outages.lasts:
            return LONGEST_REST
        until_due = await caught(self._notices.next_webhook())
        if until_due is None or isinstance(until_due, Exception):
            return LONGEST_REST
        return min(until_due, LONGEST_REST)

    async def _tell(self, webhook: Webhook) -> None:
        reception = _received(await caught(self._send(webhook)))
        match reception:
            case Received():
                await self._end(webhook, None)
            case Undeliverable(reason):
                await self._end(webhook, reason)
            case NotReceived(reason) if self._clock.now() - webhook.at >= BUDGET:
                await self._end(webhook, reason)
            case NotReceived():
                await self._postpone(webhook, reception)

    async def _send(self, webhook: Webhook) -> Reception:
        return await self._sender.send(Message(webhook.id, webhook.url, to_body(webhook)))

    async def _end(self, webhook: Webhook, last_error: str | None) -> None:
        await self._ending.submit(WebhookEnd(webhook.id, last_error))
        if last_error is None:
            logger.info("webhook delivered", extra=_facts(webhook))
        else:
            logger.warning("webhook failed", extra={**_facts(webhook), "reason": last_error})

    async def _postpone(self, webhook: Webhook, ended: NotReceived) -> None:
        wait = backoff(webhook.tries, jitter=self._jitter(), first=FIRST_WAIT, longest=LONGEST_WAIT)
        # Who asks for a longer break gets it, while there is time to tell.
        asked = min(ended.retry_after or wait, LONGEST_WAIT)
        await self._postponing.submit(
            WebhookRetry(webhook.id, webhook.tries, max(wait, asked), ended.reason)
        )
        facts = {**_facts(webhook), "tries": webhook.tries, "reason": ended.reason}
        logger.warning("webhook retrying", extra=facts)


def _received(ended: Reception | Exception) -> Reception:
    if isinstance(ended, Exception):
        # What it says is not ours, and may tell the address.
        return NotReceived(f"a mistake of the program's: {type(ended).__name__}")
    return ended


def _facts(webhook: Webhook) -> dict[str, object]:
    return {"callback_id": webhook.callback_id, "what": webhook.kind.value}
