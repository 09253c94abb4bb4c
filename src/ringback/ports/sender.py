"""The sender: what brings a message to an address outside."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, TypeAlias


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
