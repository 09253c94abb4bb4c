"""Webhook sender: send each webhook until it is delivered, or its retries end."""

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
"""Maximum webhooks sent at a time."""

HOST_SLOTS: Final = SLOTS // MAX_ORIGINS
"""Maximum webhooks sent to one origin at a time, so that a slow one does not block the others."""

LEASE: Final = timedelta(minutes=1)
"""How long no other process sends a claimed webhook, which is longer than one try takes."""

LONGEST_REST: Final = timedelta(seconds=1)
"""The longest time until a webhook of another process is noticed."""

FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=3)
BUDGET: Final = timedelta(days=3)
"""How long a webhook is retried."""


class WebhookSender:
    """Claims webhooks that are due, sends each, and stores the result.

    It may be killed at any moment: another process sends the claimed webhooks again, with the same
    id, when the lease ends. So each webhook is delivered at least once, in any order.
    """

    def __init__(
        self, webhooks: WebhookOutbox, sender: Sender, *, clock: Clock, jitter: Callable[[], float]
    ) -> None:
        """Send the webhooks of the outbox `webhooks` with `sender`."""
        self._outbox = webhooks
        self._sender = sender
        self._clock = clock
        self._jitter = jitter
        self._finished = asyncio.Event()
        self._sending: Counter[str] = Counter()
        self._outages = OutageLog(logger, "claim webhooks")
        self._ending = GroupCommit(acknowledged(webhooks.end_webhooks))
        self._postponing = GroupCommit(acknowledged(webhooks.postpone_webhooks))

    async def run(self) -> None:
        """Send until canceled; then other processes send what was in progress again."""
        async with run_services(self._ending, self._postponing), task_group() as group:
            await self._send_with(TaskPool(group, SLOTS))

    async def _send_with(self, pool: TaskPool) -> None:
        while True:
            self._finished.clear()
            if not await self._has_started_some(pool):
                await wait_for_event(self._finished, self._clock, at_most=await self._rest(pool))

    async def _has_started_some(self, pool: TaskPool) -> bool:
        if pool.free == 0:
            return False
        claim = self._outbox.claim_webhooks(
            limit=self._room(pool), lease=LEASE, excluded=self._full
        )
        due = await caught(claim)
        self._outages.record(due)
        if isinstance(due, Exception):
            return False
        for webhook in due:
            origin = to_origin(webhook.url)
            self._sending[origin] += 1
            task = pool.start(self._process(webhook), name=f"webhook for {webhook.callback_id}")
            task.add_done_callback(partial(self._finish, origin))
        return bool(due)

    @property
    def _full(self) -> list[str]:
        return [origin for origin, count in self._sending.items() if count >= HOST_SLOTS]

    def _room(self, pool: TaskPool) -> int:
        """Return how many may be claimed even if all of them go to the same origin."""
        others = [count for count in self._sending.values() if count < HOST_SLOTS]
        return min(pool.free, HOST_SLOTS - max(others, default=0))

    def _finish(self, origin: str, _: asyncio.Task[None]) -> None:
        self._sending[origin] -= 1
        if not self._sending[origin]:
            del self._sending[origin]
        self._finished.set()

    async def _rest(self, pool: TaskPool) -> timedelta:
        # The webhooks that are due may go to an origin without a free slot.
        if pool.free == 0 or self._full or self._outages.lasts:
            return LONGEST_REST
        until_due = await caught(self._outbox.next_webhook())
        if until_due is None or isinstance(until_due, Exception):
            return LONGEST_REST
        return min(until_due, LONGEST_REST)

    async def _process(self, webhook: Webhook) -> None:
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
        # A receiver may request a longer wait, up to the longest one.
        asked = min(ended.retry_after or wait, LONGEST_WAIT)
        await self._postponing.submit(
            WebhookRetry(webhook.id, webhook.tries, max(wait, asked), ended.reason)
        )
        facts = {**_facts(webhook), "tries": webhook.tries, "reason": ended.reason}
        logger.warning("webhook retrying", extra=facts)


def _received(ended: Reception | Exception) -> Reception:
    if isinstance(ended, Exception):
        # The message of an unknown error may contain the URL.
        return NotReceived(f"a bug in Ringback: {type(ended).__name__}")
    return ended


def _facts(webhook: Webhook) -> dict[str, object]:
    return {"callback_id": webhook.callback_id, "what": webhook.kind.value}
