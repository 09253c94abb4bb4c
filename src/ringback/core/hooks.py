"""Hooks: what a gateway reports of its work to the program that runs it."""

from collections.abc import Sequence

from ringback.domain.ids import CallbackId
from ringback.ports.store import Answer, Settlement


class Hooks:
    """Ignores every event; a program overrides the methods that it needs.

    Each method is called after the commit of what it reports. It is called in the event loop, so it
    must return at once, and it must not raise.
    """

    def callback_opened(self, callback_id: CallbackId) -> None:
        """An attempt has opened this callback, for the first time or again."""

    def answers_accepted(self, answers: Sequence[Answer]) -> None:
        """These answers of senders were the first for their callbacks."""

    def outcomes_settled(self, settlements: Sequence[Settlement]) -> None:
        """The deliveries of these outcomes ended; each settlement has the verdict."""

    def source_request_ended(self, source: str, result: str) -> None:
        """A request to a source got its reply.

        The result is `accepted`, `duplicate`, `handshake`, `rate_limited`, or the reason of a
        refusal. There are few results, and sources are configured: both may be labels of a metric.
        """


NO_HOOKS = Hooks()
"""Hooks that ignore every event."""
