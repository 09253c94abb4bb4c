"""Webhooks: sending one, and the outbox of those that are not delivered yet.

The promises of `ringback.ports.store` hold here too. A webhook enters the outbox in the transaction
that records its event.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol, TypeAlias

from ringback.domain.webhook import Webhook, WebhookId


@dataclass(frozen=True, slots=True)
class WebhookMessage:
    """One HTTP message.

    Attributes:
        id: The same at every try, so that the receiver can detect duplicates.
        url: The receiver's URL, which may contain a secret.
        body: One JSON value.
        traceparent: The trace context of the sending, if it is traced.
        idempotency_key: The key of a request that must have its effect once, however often it is
            sent.
    """

    id: str
    url: str = field(repr=False)
    body: bytes = field(repr=False)
    traceparent: str | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """The receiver accepted it."""


@dataclass(frozen=True, slots=True)
class NotReceived:
    """A later try may succeed.

    Attributes:
        reason: What happened, without the URL.
        retry_after: The wait that the receiver requested, if any.
    """

    reason: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """No later try can succeed.

    Attributes:
        reason: What happened, without the URL.
    """

    reason: str


Reception: TypeAlias = Received | NotReceived | Undeliverable


class Sender(Protocol):
    """Sends messages over HTTP."""

    async def send(self, message: WebhookMessage) -> Reception:
        """Send `message` once, within a bounded time."""
        ...


MAX_ORIGINS: Final = 8
"""Maximum origins that a claim can exclude."""


@dataclass(frozen=True, slots=True)
class WebhookEnd:
    """A webhook that is not sent again.

    Attributes:
        webhook_id: The webhook.
        last_error: Why it failed; `None` if it was delivered.
    """

    webhook_id: WebhookId
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookRetry:
    """A webhook that is sent again.

    Attributes:
        webhook_id: The webhook.
        tries: `Webhook.tries` at the claim. The store ignores a retry of an older claim.
        wait: The time until the next try.
        last_error: Why the try failed.
    """

    webhook_id: WebhookId
    tries: int
    wait: timedelta
    last_error: str


class WebhookOutbox(Protocol):
    """What the webhook sender needs."""

    async def claim_webhooks(
        self, *, limit: int, lease: timedelta, excluded: Collection[str] = ()
    ) -> Sequence[Webhook]:
        """Claim webhooks that are due, the longest due first; each claim counts as a try.

        No other process gets them until the lease ends. `excluded` names up to `MAX_ORIGINS`
        origins whose webhooks are left out; see `ringback.domain.webhook.to_origin`.
        """
        ...

    async def end_webhooks(self, ends: Sequence[WebhookEnd]) -> None:
        """Store that webhooks were delivered or failed, and record it in the audit trail.

        The first end of a webhook counts.
        """
        ...

    async def postpone_webhooks(self, postponements: Sequence[WebhookRetry]) -> None:
        """Give claimed webhooks back, to be sent again.

        The first retry of each enters the audit trail.
        """
        ...

    async def next_webhook(self) -> timedelta | None:
        """Return the time until a webhook is due; `None` if none is scheduled."""
        ...
