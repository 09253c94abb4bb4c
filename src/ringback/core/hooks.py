"""Hooks: what a gateway reports of its work to the program that runs it."""

from collections.abc import Sequence

from ringback.domain.ids import CallbackId
from ringback.ports.store import Answer, Settlement


class Hooks:
    """Ignores everything; a program overrides the methods that it needs.

    Each method is called once what it reports is committed. It is called in the event loop, so it
    must return at once, and it must not raise.
    """

    def callback_opened(self, callback_id: CallbackId) -> None:
        """An attempt has opened this callback, or found the one that it had opened before."""

    def answers_accepted(self, answers: Sequence[Answer]) -> None:
        """These answers of senders were the first for their callbacks."""

    def outcomes_settled(self, settlements: Sequence[Settlement]) -> None:
        """The deliveries of these outcomes ended; each settlement has the verdict."""


NO_HOOKS = Hooks()
"""For a program that needs none."""
