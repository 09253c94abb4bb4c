"""The callback: the durable record of one activity that waits for one answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum
from typing import Final

from ringback.domain.activity_state import HeartbeatState
from ringback.domain.deadlines import POLL_GRACE, SenderPoll, default_due_at
from ringback.domain.durations import later
from ringback.domain.errors import IllegalMoveError
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.link import Verb
from ringback.domain.options import CallbackOptions, HeartbeatBy
from ringback.domain.outcome import Canceled, Failed, Outcome
from ringback.domain.subject import Subject
from ringback.domain.text_checks import to_key


class State(Enum):
    """The state of a callback."""

    OPEN = "open"
    ACCEPTED = "accepted"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    PARKED = "parked"
    EXPIRED = "expired"


MOVES: Final[dict[State, frozenset[State]]] = {
    State.OPEN: frozenset({State.ACCEPTED, State.EXPIRED}),
    State.ACCEPTED: frozenset({State.APPLIED, State.SUPERSEDED, State.PARKED}),
    State.PARKED: frozenset({State.ACCEPTED, State.APPLIED, State.SUPERSEDED}),
    State.APPLIED: frozenset(),
    State.SUPERSEDED: frozenset(),
    State.EXPIRED: frozenset(),
}
"""The states that a callback may move to. The store's guards are tested against this table."""

VERDICTS: Final = MOVES[State.ACCEPTED]
"""The verdicts on an accepted outcome."""


DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
"""Failure type of an activity whose own deadline passed without an answer."""


@dataclass(frozen=True, slots=True)
class ActivityExecution:
    """The activity execution that a callback belongs to, the same for all its attempts.

    Activity ids recur within a run and after continue-as-new. Together with the run and the
    scheduled time they are unique.

    Attributes:
        namespace: Temporal's namespace.
        workflow_id: The workflow that scheduled the activity; empty for a standalone activity.
        run_id: The workflow run, or the standalone activity's own run.
        activity_id: The activity's id in that run.
        scheduled_at: When Temporal first scheduled the activity.
    """

    namespace: str
    workflow_id: str
    run_id: str
    activity_id: str
    scheduled_at: datetime

    @property
    def run(self) -> tuple[str, str, str]:
        """The key of the run: namespace, workflow id and run id."""
        return self.namespace, self.workflow_id, self.run_id

    @property
    def is_standalone(self) -> bool:
        """Whether the activity runs without a workflow."""
        return not self.workflow_id


@dataclass(frozen=True, slots=True)
class Accepted:
    """The accepted outcome and its verdict.

    Attributes:
        id: The outcome's id. The delivery's identity contains it, so Temporal's history shows it.
        outcome: The answer.
        accepted_at: When it was committed.
        is_default: Whether it is the default answer.
        delivered_inline_to: The identity of the worker whose attempt got the answer inline, if any.
        delivered_inline_attempt: That attempt.
        tries: The number of deliveries that were started, inline ones included.
        unconfirmed_attempt: The attempt that a delivery may have completed, until its effect is
            confirmed or ruled out.
        unconfirmed_started_at: When Temporal started that attempt.
        last_error: Why the latest delivery failed, if it did.
        verdict_at: When the verdict was stored.
        proof: The evidence for the verdict, by name.
    """

    id: OutcomeId
    outcome: Outcome
    accepted_at: datetime
    is_default: bool = False
    delivered_inline_to: str | None = None
    delivered_inline_attempt: int | None = None
    tries: int = 0
    unconfirmed_attempt: int | None = None
    unconfirmed_started_at: datetime | None = None
    last_error: str | None = None
    verdict_at: datetime | None = None
    proof: dict[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Callback:
    """One activity execution that waits for one answer.

    Attributes:
        id: `cb_…`, the same for all attempts.
        ref: The activity.
        generation: 1 for the activity's first callback; one more each time that Temporal retries
            the activity after a delivered failure.
        state: See `MOVES`.
        workflow_type: For display.
        activity_type: For display.
        task_queue: For display.
        attempt: The latest attempt that opened the callback.
        attempt_started_at: When Temporal started that attempt.
        task_token: Temporal's token of that attempt.
        opened_at: When the callback was committed.
        submitted_at: When `submit` returned; `None` until then.
        attempt_timeout_at: When the latest attempt will time out, as far as Ringback knows; an
            operator may change it, and a pause suspends it.
        own_deadline_at: The deadline that the activity set, if any.
        schema_id: The JSON Schema of the result: `CallbackStore.schemas` returns its text.
        expired_at: When Ringback found that the activity no longer waits.
        expired_because: What ended the activity.
        verbs: What the link allows.
        key_id: The key that signed the link.
        link_expires_at: When the link expires.
        link_serial: The serial of the valid links; revoking increments it.
        options: The activity's options; `heartbeat`, `resume`, `poll` and `poll_every` are the
            latest attempt's.
        heartbeat_state: The heartbeats of the latest attempt.
        sender_poll: The polls of the sender.
        cancel_requested_at: When Ringback found that a cancellation was requested.
        paused_at: When Ringback found that the activity is paused; `None` if it is not.
        claimant: The user who has claimed it; others cannot decide meanwhile.
        ballots: How many votes of each user were withdrawn, or removed by a reassignment; by
            the key of the name (`ballot_of`).
        traceparent: The trace context of the attempt that created it.
        accepted: The accepted outcome, if any.
    """

    id: CallbackId
    ref: ActivityExecution
    generation: int
    state: State
    workflow_type: str
    activity_type: str
    task_queue: str
    attempt: int
    attempt_started_at: datetime
    task_token: bytes | None = field(repr=False)
    opened_at: datetime
    submitted_at: datetime | None
    attempt_timeout_at: datetime | None
    own_deadline_at: datetime | None
    schema_id: str | None
    expired_at: datetime | None
    expired_because: str | None
    verbs: frozenset[Verb]
    key_id: str
    link_expires_at: datetime
    link_serial: int = 1
    options: CallbackOptions = field(default_factory=CallbackOptions)
    heartbeat_state: HeartbeatState = field(default_factory=HeartbeatState)
    sender_poll: SenderPoll = field(default_factory=SenderPoll)
    cancel_requested_at: datetime | None = None
    paused_at: datetime | None = None
    claimant: str | None = None
    ballots: Mapping[str, int] = field(default_factory=dict)
    traceparent: str | None = None
    accepted: Accepted | None = None

    @property
    def subject(self) -> Subject:
        """What people are asked to decide on."""
        options = self.options
        return Subject(options.title, options.description, options.details)

    @property
    def deadline_at(self) -> datetime | None:
        """When an answer is too late: the activity's own deadline or Temporal's timeout."""
        return min(filter(None, (self.own_deadline_at, self.attempt_timeout_at)), default=None)

    def ballot_of(self, user: str) -> int:
        """Return the ballot that the next vote of `user` must name."""
        return self.ballots.get(to_key(user), 0)

    def next_ballots(self, users: Iterable[str]) -> dict[str, int]:
        """Return the `ballots` after a vote of each of `users` is removed."""
        return {**self.ballots, **{to_key(one): self.ballot_of(one) + 1 for one in users}}

    @property
    def cancel_due_at(self) -> datetime | None:
        """When the activity ends as canceled without a report; `None` if it does not."""
        if self.cancel_requested_at is None:
            return None
        return self.options.cancel_due_at(self.cancel_requested_at)

    @property
    def is_resumed(self) -> bool:
        """Whether the activity continues with the accepted outcome in a new attempt.

        A cancellation ends the activity instead: only Temporal can apply one.
        """
        if self.accepted is None or not self.options.resume:
            return False
        return not isinstance(self.accepted.outcome, Canceled)

    @property
    def is_kept_alive(self) -> bool:
        """Whether the gateway heartbeats for the attempt."""
        is_by_gateway = self.options.heartbeat is HeartbeatBy.GATEWAY
        return is_by_gateway and self.heartbeat_state.timeout is not None

    @property
    def default_answer(self) -> Outcome:
        """The outcome that is accepted if no answer arrives in time.

        If a requested cancellation is due first, the activity ends as canceled. Otherwise it is
        `on_deadline`, or a non-retryable failure if the activity set none.
        """
        if self.cancel_due_at is not None and self.cancel_due_at == self.default_due_at:
            return Canceled(None)
        if self.options.on_deadline is not None:
            return self.options.on_deadline
        msg = "no answer arrived before the deadline"
        return Failed(msg, type=DEADLINE_EXCEEDED, non_retryable=True)

    @property
    def own_default_due_at(self) -> datetime | None:
        """When the default answer is due because of the activity's own deadline.

        While a poll of the sender may find the answer, it waits for that, but not for long.
        """
        if self.own_deadline_at is None or not self.options.poll or self.sender_poll.is_over:
            return self.own_deadline_at
        return later(self.own_deadline_at, POLL_GRACE)

    @property
    def default_due_at(self) -> datetime | None:
        """When the default answer is accepted; `None` if it never is.

        Without `on_deadline` it is due only at the activity's own deadline: Temporal handles its
        own timeouts, for example by a retry.
        """
        due_at = self.own_default_due_at
        if self.options.on_deadline is not None:
            due_at = default_due_at(
                self.opened_at,
                due_at,
                self.attempt_timeout_at,
                resume=self.options.resume,
            )
        return min(filter(None, (due_at, self.cancel_due_at)), default=None)

    def accepts_serial(self, serial: int | None) -> bool:
        """Return whether links with `serial` are valid; `None` is a caller without a link."""
        return serial is None or serial == self.link_serial

    def with_aliases(self, aliases: Iterable[str]) -> "Callback":
        """Return the callback with these aliases instead of its own."""
        return replace(self, options=replace(self.options, aliases=tuple(aliases)))

    def move(self, wanted: State) -> "Callback":
        """Return the callback in the state `wanted`.

        Raises:
            IllegalMoveError: `MOVES` does not contain this move.
        """
        if wanted not in MOVES[self.state]:
            raise IllegalMoveError(self.id, self.state.value, wanted.value)
        return replace(self, state=wanted)
