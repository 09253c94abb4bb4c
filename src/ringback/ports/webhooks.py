"""Webhooks: send one, and the outbox of those that are not received yet.

What `ringback.ports.store` says of its methods holds here too. A webhook enters the outbox in the
transaction that records its event.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Protocol, TypeAlias

from ringback.domain.webhook import Webhook, WebhookId


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent.

    Attributes:
        id: The same over all tries, so that the receiver sees it once.
        url: Where to; it may hold a secret of the receiver's.
        body: One JSON value.
    """

    id: str
    url: str = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Received:
    """The receiver has it."""


@dataclass(frozen=True, slots=True)
class NotReceived:
    """It may be received later.

    Attributes:
        reason: What happened, without the address.
        retry_after: How long the receiver wants to be left alone, if it said so.
    """

    reason: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """It is of no use to send it again.

    Attributes:
        reason: What happened, without the address.
    """

    reason: str


Reception: TypeAlias = Received | NotReceived | Undeliverable


class Sender(Protocol):
    """What brings messages to addresses outside."""

    async def send(self, message: Message) -> Reception:
        """Send `message` once, and return what became of it; that takes a bounded time."""
        ...


MAX_ORIGINS: Final = 8
"""How many origins a claim can leave alone."""


@dataclass(frozen=True, slots=True)
class WebhookEnd:
    """That a notice is done with.

    Attributes:
        webhook_id: The notice.
        last_error: Why it was given up; `None` if it was received.
    """

    webhook_id: WebhookId
    last_error: str | None = None


@dataclass(frozen=True, slots=True)
class WebhookRetry:
    """That a notice was not received, and is to be sent again.

    Attributes:
        webhook_id: The notice.
        tries: `Webhook.tries` as it was claimed: once another has claimed it, this is void.
        wait: How long nobody sends it.
        last_error: Why it was not received.
    """

    webhook_id: WebhookId
    tries: int
    wait: timedelta
    last_error: str


class WebhookOutbox(Protocol):
    """What telling the outside needs."""

    async def claim_webhooks(
        self, *, limit: int, lease: timedelta, excluded: Collection[str] = ()
    ) -> Sequence[Webhook]:
        """Take notices that are due, the longest due first; each claim counts as a try.

        Nobody else gets them while the lease lasts. Those to an origin in `excluded`, which has
        `MAX_ORIGINS` at most, are left alone; see `ringback.domain.webhook.to_origin`.
        """
        ...

    async def end_webhooks(self, ends: Sequence[WebhookEnd]) -> None:
        """Keep that notices were received or given up, and tell it in the audit trail.

        The first end of a notice counts.
        """
        ...

    async def postpone_webhooks(self, postponements: Sequence[WebhookRetry]) -> None:
        """Give claimed notices back, to be sent again later.

        The first time of each is told in the audit trail.
        """
        ...

    async def next_webhook(self) -> timedelta | None:
        """Return how long until a notice is due; `None` if none will be."""
        ...
