"""The callback: the durable record that one activity execution waits for one answer."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from ringback.domain.errors import IllegalMoveError
from ringback.domain.heartbeat_state import HeartbeatState
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.link import Verb
from ringback.domain.options import CallbackOptions, HeartbeatBy
from ringback.domain.outcome import Canceled, Failed, Outcome


class State(Enum):
    """Where a callback stands."""

    OPEN = "open"
    ACCEPTED = "accepted"
    APPLIED = "applied"
    SUPERSEDED = "superseded"
    PARKED = "parked"
    EXPIRED = "expired"


MOVES: Final[dict[State, frozenset[State]]] = {
    State.OPEN: frozenset({State.ACCEPTED, State.EXPIRED}),
    State.ACCEPTED: frozenset({State.APPLIED, State.SUPERSEDED, State.PARKED}),
    State.PARKED: frozenset({State.ACCEPTED}),
    State.APPLIED: frozenset(),
    State.SUPERSEDED: frozenset(),
    State.EXPIRED: frozenset(),
}
"""From where to where a callback may go. The stores' guards are tested against this table."""

VERDICTS: Final = MOVES[State.ACCEPTED]
"""How an accepted outcome may end."""


DEADLINE_EXCEEDED: Final = "DeadlineExceeded"
"""The failure type of an activity whose own deadline has passed without an answer."""

MAX_LEAD: Final = timedelta(seconds=5)
"""How long before a timeout of Temporal's a default answer is taken, at most."""


@dataclass(frozen=True, slots=True)
class ActivityExecution:
    """Which activity execution a callback belongs to: the same over all its attempts.

    Activity ids alone recur, within a run and after continue-as-new; with the run and the
    scheduled time they do not.

    Attributes:
        namespace: Temporal's namespace.
        workflow_id: The workflow that scheduled the activity; empty for a standalone one.
        run_id: The run of it, so that a later run is never touched; a standalone one's own.
        activity_id: The activity's id in that run.
        scheduled_at: When the activity was first scheduled, as Temporal has it.
    """

    namespace: str
    workflow_id: str
    run_id: str
    activity_id: str
    scheduled_at: datetime

    @property
    def run(self) -> tuple[str, str, str]:
        """What names the run: namespace, workflow id and run id."""
        return self.namespace, self.workflow_id, self.run_id

    @property
    def is_standalone(self) -> bool:
        """Whether the activity runs without a workflow."""
        return not self.workflow_id


@dataclass(frozen=True, slots=True)
class Accepted:
    """The outcome that won, and how it ended.

    Attributes:
        id: Names the outcome in Temporal's history: the delivery's identity carries it.
        outcome: The answer.
        accepted_at: When it was committed.
        is_default: Nobody gave it: it was taken at the deadline.
        delivered_inline_to: The worker that an attempt took the answer with, if one did (its
            identity).
        delivered_inline_attempt: That attempt.
        tries: How many deliveries and hand-overs were begun.
        unconfirmed_attempt: The attempt that had asked when a delivery was begun, as long as
            nothing shows whether it ended with the outcome.
        unconfirmed_started_at: When Temporal started that attempt.
        last_error: Why the latest delivery did not end, if one did not.
        verdict_at: When its end was known.
        proof: What shows that end, by name.
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
        id: `cb_…`, the same over all attempts.
        ref: The activity.
        generation: 1, and one more for each question that a delivered retryable failure made
            Temporal ask anew.
        state: Where it stands; see `MOVES`.
        workflow_type: For people who look at the list.
        activity_type: For people who look at the list.
        task_queue: For people who look at the list.
        attempt: The latest attempt that asked.
        attempt_started_at: When Temporal started that attempt.
        task_token: What names that attempt to Temporal.
        opened_at: When it was committed.
        submitted_at: When the user's submit had returned; `None` until then.
        attempt_timeout_at: When Temporal times the latest attempt out, as far as is known; an
            operator may change it, and a pause suspends it.
        own_deadline_at: When the outside must have answered, if the activity set a deadline of its
            own.
        schema_id: The schema that a result must meet: `CallbackStore.schemas` has its text.
        expired_at: When it was known that nobody waits any more.
        expired_because: What ended the activity.
        verbs: What its link allows.
        key_id: Which key signed its link.
        link_expires_at: When its link stops to be good.
        link_serial: Which of its links are good: a revocation makes it one more.
        options: What the activity set for it; `heartbeat` is the latest attempt's.
        heartbeat_state: The signs of life of the latest attempt.
        cancel_requested_at: When it was learnt that somebody asked the activity to cancel.
        paused_at: When it was learnt that an operator paused the activity; `None` if it runs.
        accepted: The outcome, once there is one.
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
    cancel_requested_at: datetime | None = None
    paused_at: datetime | None = None
    accepted: Accepted | None = None

    @property
    def deadline_at(self) -> datetime | None:
        """When an answer comes too late: the activity's own deadline or Temporal's timeout."""
        return min(filter(None, (self.own_deadline_at, self.attempt_timeout_at)), default=None)

    @property
    def cancel_due_at(self) -> datetime | None:
        """When the activity ends as canceled though nobody reported it, if it does."""
        if self.cancel_requested_at is None:
            return None
        return self.options.cancel_due_at(self.cancel_requested_at)

    @property
    def is_kept_alive(self) -> bool:
        """Whether the gateway sends heartbeats of its own accord."""
        is_asked_to = self.options.heartbeat is HeartbeatBy.KEEP
        return is_asked_to and self.heartbeat_state.timeout is not None

    @property
    def default_answer(self) -> Outcome:
        """What it is answered with when nobody has answered in time.

        Where the activity says nothing else it is a failure that is not retried: its deadline has
        passed for good. Where it was asked to cancel, it is canceled when that is due first.
        """
        if self.cancel_due_at is not None and self.cancel_due_at == self.default_due_at:
            return Canceled(None)
        if self.options.on_deadline is not None:
            return self.options.on_deadline
        msg = "nobody answered before the deadline"
        return Failed(msg, type=DEADLINE_EXCEEDED, non_retryable=True)

    @property
    def default_due_at(self) -> datetime | None:
        """When the default answer is taken; `None` if there is none, or no deadline.

        Without an answer of the activity's own it is due at the activity's own deadline only:
        what Temporal does at its timeouts, such as to run the activity again, is left to it.
        """
        due_at = self.own_deadline_at
        if self.options.on_deadline is not None:
            due_at = default_due_at(self.opened_at, self.own_deadline_at, self.attempt_timeout_at)
        return min(filter(None, (due_at, self.cancel_due_at)), default=None)

    def accepts_serial(self, serial: int | None) -> bool:
        """Tell whether a link with `serial` is good still; who came without one is let in."""
        return serial is None or serial == self.link_serial

    def move(self, wanted: State) -> "Callback":
        """Return the callback in the state `wanted`.

        Raises:
            IllegalMoveError: `MOVES` has no such move.
        """
        if wanted not in MOVES[self.state]:
            raise IllegalMoveError(self.id, self.state.value, wanted.value)
        return replace(self, state=wanted)


def default_due_at(
    opened_at: datetime, own_deadline_at: datetime | None, attempt_timeout_at: datetime | None
) -> datetime | None:
    """Return when a default answer is due: at the deadline, and in time for Temporal.

    It must reach Temporal before the attempt times out, so it is taken a tenth of the time before,
    `MAX_LEAD` at most.
    """
    if attempt_timeout_at is not None:
        attempt_timeout_at -= min(MAX_LEAD, max(timedelta(0), attempt_timeout_at - opened_at) / 10)
    return min(filter(None, (own_deadline_at, attempt_timeout_at)), default=None)
