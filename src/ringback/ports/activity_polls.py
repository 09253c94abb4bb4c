"""Keeping callbacks up to date and their activities alive, in the store.

What `ringback.ports.store` says of its methods holds here too. Work is shared by all gateways that
use the store: what one has claimed no other gets while the lease lasts.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import HeartbeatReceipt, PollResult, ReceivedHeartbeat, SentHeartbeat

MAX_POLLED_AT_ONCE: Final = 2000
"""About so many callbacks are claimed for a look at once, however many a run has.

Temporal lets a workflow have 2,000 activities that wait, unless it is set up otherwise.
"""


@dataclass(frozen=True, slots=True)
class PollClaim:
    """What was claimed for a look.

    Attributes:
        callbacks: Open callbacks, those of each run together.
        is_full: There may be more that are due: as many runs came as were wanted, or as many
            callbacks as come at once.
    """

    callbacks: Sequence[Callback]
    is_full: bool


class ActivityPollStore(Protocol):
    """What the keeper needs."""

    async def claim_polls(
        self, *, limit: int, lease: timedelta, max_callbacks: int = MAX_POLLED_AT_ONCE
    ) -> PollClaim:
        """Take open callbacks that are due for a look, the longest due first, `limit` runs of them.

        Those of one run come together, due or not, since one request shows them all; without those
        that another gateway has claimed. Where runs have many, fewer runs come, so that there
        are at most `max_callbacks`; of a run that alone has more, those that are due the longest.
        """
        ...

    async def save_poll_results(self, poll_results: Sequence[PollResult]) -> None:
        """Keep what was seen: timeouts, requests to cancel, pauses; and when to look again.

        Many are kept in parts, each in a transaction of its own: answers do not wait for all.
        What is news is told in the audit trail; a reset of the attempt that asked last, once, and
        `Callback.attempt` stays the number that its task token bears. A heartbeat that nobody has
        claimed is due earlier where the timeout has become shorter, and at once where the attempt
        runs, is to be kept alive, and none was due.
        """
        ...

    async def receive_heartbeats(
        self, heartbeats: Sequence[ReceivedHeartbeat], *, lease: timedelta
    ) -> Sequence[HeartbeatReceipt]:
        """Keep signs of life from outside; tell for each, in their order, what became of it.

        One is due when Temporal has had no heartbeat for `HeartbeatState.gap`; otherwise it is
        passed on when that has passed, with the latest details; not while another is claimed or
        postponed. Only an open callback takes any.
        """
        ...

    async def claim_heartbeats(self, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """Take callbacks whose heartbeat is due, the longest due first.

        Those that are answered and not closed are among them: the attempt must live until its
        answer has reached it.
        """
        ...

    async def save_sent_heartbeats(self, heartbeats: Sequence[SentHeartbeat]) -> None:
        """Keep that heartbeats were taken, and what Temporal answered.

        The next one is due after `HeartbeatState.gap`, if the gateway keeps the activity alive or
        the outside has said something since the claim; otherwise none is.
        """
        ...

    async def postpone_heartbeats(
        self, callback_ids: Sequence[CallbackId], wait: timedelta | None
    ) -> None:
        """Have claimed heartbeats that were not taken due in `wait`; `None`: not again.

        Where it is `None`, a look is due at once: the attempt has ended, or asks anew. It is void
        where a later attempt has asked since the claim.
        """
        ...

    async def next_heartbeat(self) -> timedelta | None:
        """Return how long until a heartbeat is due; `None` if none will be."""
        ...
