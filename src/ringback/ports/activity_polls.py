"""The store's side of polling activities and of heartbeats.

The promises of `ringback.ports.store` hold here too. All gateways share the work: what one gateway
has claimed, no other gateway gets until the lease ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import HeartbeatReceipt, PollResult, ReceivedHeartbeat, SentHeartbeat

MAX_POLLED_AT_ONCE: Final = 2000
"""Maximum callbacks per claim, unless one run alone has more.

Temporal's default limit is 2,000 pending activities per workflow.
"""


@dataclass(frozen=True, slots=True)
class PollClaim:
    """Callbacks whose activities the caller polls now.

    Attributes:
        callbacks: Open callbacks, grouped by run.
        is_full: Whether a limit was reached, so that more may be due.
    """

    callbacks: Sequence[Callback]
    is_full: bool


class ActivityPollStore(Protocol):
    """What the activity poller and the heartbeats need."""

    async def claim_polls(
        self, *, limit: int, lease: timedelta, max_callbacks: int = MAX_POLLED_AT_ONCE
    ) -> PollClaim:
        """Claim open callbacks of up to `limit` runs whose poll is due, the longest due first.

        All callbacks of a run come together, due or not, since one request shows them all.
        Callbacks that another gateway has claimed are left out. If runs have many callbacks, fewer
        runs come, to keep to `max_callbacks`; of a single run with more, the longest due come.
        """
        ...

    async def save_poll_results(self, poll_results: Sequence[PollResult]) -> None:
        """Store timeouts, cancel requests, pauses and resets, and when the next poll is due.

        Large calls are written in several transactions, so that answers need not wait for all.
        Changes enter the audit trail. A reset is recorded once per attempt, and `Callback.attempt`
        keeps the number that the task token contains. A heartbeat that no gateway has claimed
        becomes due earlier if the timeout is now shorter. It becomes due at once if none was
        scheduled for a running attempt that the gateway keeps alive.
        """
        ...

    async def release_polls(self, callback_ids: Sequence[CallbackId], wait: timedelta) -> None:
        """Make claimed polls that brought no result due again in `wait`, for any gateway.

        Nothing changes for a callback that nobody has claimed: a later attempt may have opened it.
        """
        ...

    async def receive_heartbeats(
        self, heartbeats: Sequence[ReceivedHeartbeat], *, lease: timedelta
    ) -> Sequence[HeartbeatReceipt]:
        """Store heartbeats of senders; return for each whether the caller must forward it now.

        A heartbeat is due if Temporal had none for `HeartbeatState.gap`. Otherwise it is forwarded
        at the end of that gap, with the latest details. While a heartbeat is claimed or postponed,
        no other becomes due. Callbacks that are not open ignore heartbeats.
        """
        ...

    async def claim_heartbeats(self, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """Claim callbacks whose heartbeat is due, the longest due first.

        Accepted callbacks without a verdict are included: the attempt must live until its answer
        arrives.
        """
        ...

    async def save_sent_heartbeats(self, heartbeats: Sequence[SentHeartbeat]) -> None:
        """Store that Temporal accepted heartbeats, and its responses.

        The next heartbeat is due after `HeartbeatState.gap` if the gateway keeps the activity
        alive, or the sender has sent one since the claim. Otherwise none is due.
        """
        ...

    async def postpone_heartbeats(
        self, callback_ids: Sequence[CallbackId], wait: timedelta | None
    ) -> None:
        """Make claimed heartbeats that Temporal did not accept due again in `wait`.

        `None` means that the attempt ended or the next one runs: no heartbeat is due, and a poll is
        due at once. Nothing changes if a later attempt has opened the callback since the claim.
        """
        ...

    async def next_heartbeat(self) -> timedelta | None:
        """Return the time until a heartbeat is due; `None` if none is scheduled."""
        ...
