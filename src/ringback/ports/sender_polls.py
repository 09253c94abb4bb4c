"""The store's side of polls of senders; the promises of `ringback.ports.store` hold here too."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from ringback.domain.callback import Callback
from ringback.domain.polling import PollChange


class SenderPollStore(Protocol):
    """What the requests for polls of senders need."""

    async def claim_sender_polls(self, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """Claim open callbacks whose poll is due and whose `submit` has returned.

        No other gateway gets them until the lease ends. A callback whose row cannot be read is left
        out; it is due again when the lease ends.
        """
        ...

    async def save_sender_polls(self, changes: Sequence[PollChange]) -> None:
        """Apply changes to their callbacks; ignore outdated ones and unknown callbacks."""
        ...
