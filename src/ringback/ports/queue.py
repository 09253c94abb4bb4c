"""A queue of a broker, as a consumer reads it: receive, commit, acknowledge."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class QueueMessage:
    """A message that the broker waits to have acknowledged.

    Attributes:
        body: Its body.
        headers: Its headers with text values, by lower-case name.
        key: The broker's or the publisher's name for it, which is the same at each redelivery:
            AMQP's message id, `Nats-Msg-Id` or the stream's sequence, topic, partition and offset,
            the id of a stream's entry. `None` if it has none.
        receipt: What the adapter needs to acknowledge it.
    """

    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    key: str | None
    receipt: Any = field(repr=False, compare=False)


class Queue(Protocol):
    """A connection to one queue."""

    async def receive(self, limit: int) -> Sequence[QueueMessage]:
        """Wait until there are messages; return at most `limit`.

        Raises:
            QueueUnavailableError: The connection is lost, or the queue is gone.
        """
        ...

    async def acknowledge(self, messages: Sequence[QueueMessage]) -> None:
        """Tell the broker that these are done, in any order.

        A message that is not acknowledged comes again after the connection ends, also if the
        program is killed.

        Raises:
            QueueUnavailableError: The connection is lost. Some may come again.
        """
        ...


class Broker(Protocol):
    """Where a queue is."""

    def connect(self, prefetch: int) -> AbstractAsyncContextManager[Queue]:
        """Connect; the broker sends at most `prefetch` messages before their acknowledgement.

        Raises:
            QueueUnavailableError: The broker cannot be reached, refuses the sign-in, or has no such
                queue. The message contains no password.
        """
        ...
