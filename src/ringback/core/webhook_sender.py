"""Webhook sender: send each webhook until it is delivered, or its retries end."""

import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from ringback.core.claim_loop import ClaimLoop
from ringback.core.group_commit import GroupCommit, acknowledged
from ringback.core.hooks import DELIVERED, FAILED, NO_HOOKS, RETRYING, Hooks
from ringback.core.services import caught, run_services
from ringback.domain.durations import backoff
from ringback.domain.webhook import Webhook, to_body, to_origin
from ringback.ports.clock import Clock
from ringback.ports.webhooks import (
    MAX_ORIGINS,
    NotReceived,
    Received,
    Reception,
    Sender,
    Undeliverable,
    WebhookEnd,
    WebhookMessage,
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
        self,
        webhooks: WebhookOutbox,
        sender: Sender,
        *,
        clock: Clock,
        jitter: Callable[[], float],
        hooks: Hooks = NO_HOOKS,
    ) -> None:
        """Send the webhooks of the outbox `webhooks` with `sender`."""
        self._hooks = hooks
        self._sender = sender
        self._clock = clock
        self._jitter = jitter
        self._loop = ClaimLoop(
            self._process,
            what="webhooks",
            claim=lambda limit, full: webhooks.claim_webhooks(
                limit=limit, lease=LEASE, excluded=full
            ),
            until_due=webhooks.next_webhook,
            describe=lambda webhook: f"webhook for {webhook.callback_id}",
            to_group=lambda webhook: to_origin(webhook.url),
            slots=SLOTS,
            group_slots=HOST_SLOTS,
            clock=clock,
        )
        self._ending = GroupCommit(acknowledged(webhooks.end_webhooks))
        self._postponing = GroupCommit(acknowledged(webhooks.postpone_webhooks))

    async def run(self) -> None:
        """Send until canceled; then other processes send what was in progress again."""
        async with run_services(self._ending, self._postponing):
            await self._loop.run()

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
        facts = {"ringback.callback_id": webhook.callback_id, "ringback.what": webhook.kind.value}
        links = (webhook.traceparent,)
        with self._hooks.tracer.span("send webhook", links=links, facts=facts) as span:
            message = WebhookMessage(webhook.id, webhook.url, to_body(webhook), span.traceparent)
            reception = await self._sender.send(message)
            if not isinstance(reception, Received):
                span.fail(type(reception).__name__)
        return reception

    async def _end(self, webhook: Webhook, last_error: str | None) -> None:
        await self._ending.submit(WebhookEnd(webhook.id, last_error))
        self._hooks.webhook_ended(DELIVERED if last_error is None else FAILED)
        if last_error is None:
            logger.debug("webhook delivered", extra=_facts(webhook))
        else:
            logger.warning("webhook failed", extra={**_facts(webhook), "reason": last_error})

    async def _postpone(self, webhook: Webhook, ended: NotReceived) -> None:
        wait = backoff(webhook.tries, jitter=self._jitter(), first=FIRST_WAIT, longest=LONGEST_WAIT)
        # A receiver may request a longer wait, up to the longest one.
        asked = min(ended.retry_after or wait, LONGEST_WAIT)
        await self._postponing.submit(
            WebhookRetry(webhook.id, webhook.tries, max(wait, asked), ended.reason)
        )
        self._hooks.webhook_ended(RETRYING)
        facts = {**_facts(webhook), "tries": webhook.tries, "reason": ended.reason}
        logger.info("webhook retrying", extra=facts)


def _received(ended: Reception | Exception) -> Reception:
    if isinstance(ended, Exception):
        # The message of an unknown error may contain the URL.
        return NotReceived(f"a bug in Ringback: {type(ended).__name__}")
    return ended


def _facts(webhook: Webhook) -> dict[str, object]:
    return {"callback_id": webhook.callback_id, "what": webhook.kind.value}
