"""The truth about polls of senders, which the store must not contradict."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ringback.core.sender_polls import LEASE
from ringback.domain.activity_state import Pending
from ringback.domain.callback import ActivityExecution, Callback, State
from ringback.domain.deadlines import POLL_GRACE
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Canceled
from ringback.domain.polling import POSTPONED_BY, PollingStopped


@dataclass
class PollTruth:
    """What happened to polls, and checks of the store against it.

    Attributes:
        submitted: The callbacks whose `submit` has returned.
        made: When an attempt polled the sender, by callback.
        reported: The callbacks with an answer of a poll whose report was confirmed.
        stopped: The callbacks that are polled no more.
        claimed: When the latest claim of a poll was made, unless something has ended it.
    """

    submitted: set[CallbackId] = field(default_factory=set)
    made: defaultdict[CallbackId, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    reported: set[CallbackId] = field(default_factory=set)
    stopped: set[CallbackId] = field(default_factory=set)
    claimed: dict[CallbackId, datetime] = field(default_factory=dict)

    def note_call(self, name: str, args: Any, reply: Any, now: datetime) -> None:
        """Note a call of the store that has been made; check its reply."""
        match name:
            case "open":
                self._end_claims(callback.id for callback in reply)
            case "mark_submitted":
                self.submitted.update(args[0])
            case "claim_sender_polls":
                for callback in reply:
                    self._note_claim(callback.id, now)
            case "save_sender_polls":
                self._end_claims(change.callback_id for change in args[0])
                self.stopped.update(
                    change.callback_id for change in args[0] if isinstance(change, PollingStopped)
                )
            case "extend":
                self._end_claims([args[0]])
                self.stopped.discard(args[0])
            case _:
                pass

    def _end_claims(self, ids: Any) -> None:
        for id_ in ids:
            self.claimed.pop(id_, None)

    def _note_claim(self, id_: CallbackId, now: datetime) -> None:
        before = self.claimed.get(id_)
        assert before is None or now >= before + LEASE, f"the poll of {id_} was claimed twice"
        assert id_ in self.submitted, f"the poll of {id_} was claimed before its submission"
        self.claimed[id_] = now

    def check_ended(
        self, claimed: Callback, *, ref: ActivityExecution, was: Pending, is_pending: bool
    ) -> None:
        """Check that an attempt might be ended so that the next one polls."""
        own = (claimed.ref, claimed.attempt_started_at)
        assert (ref, was.started_at) == own, (
            f"the poll of {claimed.id} ended another attempt: {ref}, {was}"
        )
        assert is_pending, f"the poll of {claimed.id} ended its last attempt: {was}"

    def check_default(self, callback: Callback) -> None:
        """Check that an accepted default answer waited for the poll at the deadline."""
        accepted = callback.accepted
        assert accepted is not None, "it is accepted"
        is_canceled = isinstance(accepted.outcome, Canceled)
        if not callback.options.poll or is_canceled or callback.attempt_timeout_at is not None:
            return
        deadline = callback.own_deadline_at
        assert deadline is not None, f"{callback.id} has a default answer, and no deadline"
        was_made = any(at >= deadline for at in self.made[callback.id])
        may_wait_no_more = was_made or callback.id in self.stopped
        assert may_wait_no_more or accepted.accepted_at >= deadline + POLL_GRACE, (
            f"the default answer of {callback.id} came before the poll at its deadline"
        )

    def check_reported(self, callback: Callback) -> None:
        """Check that the answer of a poll was not lost."""
        if callback.id in self.reported and callback.accepted is None:
            assert callback.state is State.EXPIRED, f"the answer of {callback.id}'s poll was lost"

    def check_nothing_is_left(
        self, callback: Callback, now: datetime, *, is_waiting: bool, was_reset: bool
    ) -> None:
        """Check an open callback after everything that was due was done."""
        default_due_at, poll = callback.default_due_at, callback.sender_poll
        assert default_due_at is None or default_due_at > now, f"a default waits: {callback}"
        if not callback.options.poll or callback.id not in self.submitted:
            return
        every = callback.options.poll_every or timedelta(0)
        longest = max(every, POLL_GRACE, POSTPONED_BY, LEASE)
        if every and not poll.is_over and is_waiting:
            assert poll.due_at is not None, f"it is polled no more: {callback}"
            assert now < poll.due_at <= now + longest, f"its poll waits forever: {callback}"
        if is_waiting and not was_reset:
            assert poll.requested_at is None, f"its poll was requested and not made: {callback}"
