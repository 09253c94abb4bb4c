"""Heartbeats: how an activity is kept alive from outside."""

from typing import Protocol

from ringback.domain.callback import Callback
from ringback.ports.activities import HeartbeatResponse


class Heartbeats(Protocol):
    """Temporal's ear for signs of life.

    A heartbeat without details keeps those that were recorded before. All methods raise
    `TemporalUnreachableError` when there was no answer.
    """

    async def check_details(self, callback: Callback, details: bytes | None) -> None:
        """Check that Temporal would take `details`, encoded as they will be sent.

        Raises:
            AnswerTooLargeError: Temporal would fail the activity over them.
            EncodingError: The user's data converter or codec failed.
        """
        ...

    async def heartbeat_to_attempt(
        self, callback: Callback, details: bytes | None
    ) -> HeartbeatResponse:
        """Record a heartbeat for the attempt that asked last.

        By its task token: it reaches that attempt or nothing, with one request. The callback has a
        token.

        Raises:
            ActivityGoneError: NOT_FOUND; look it up to learn what that means.
            AnswerTooLargeError: Temporal would fail the activity over the details.
            EncodingError: The user's data converter or codec failed.
            RefusedByTemporalError: The request cannot be fulfilled as it is.
        """
        ...

    async def heartbeat(self, callback: Callback, details: bytes | None) -> HeartbeatResponse:
        """Record a heartbeat for whatever attempt runs now, by the activity's ids: look first.

        Raises:
            ActivityGoneError: The activity has ended, or is between two attempts.
            AnswerTooLargeError: Temporal would fail the activity over the details.
            EncodingError: The user's data converter or codec failed.
            RefusedByTemporalError: The request cannot be fulfilled as it is.
        """
        ...
