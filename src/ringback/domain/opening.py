"""Open callbacks: what an attempt requests, and which callback it gets."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from ringback.domain.alias import missing_aliases
from ringback.domain.audit import AuditEntry, AuditKind, to_alias_added
from ringback.domain.callback import Accepted, ActivityExecution, Callback, State
from ringback.domain.deadlines import SenderPoll, next_poll_due_at, reopened
from ringback.domain.durations import later
from ringback.domain.ids import CallbackId, schema_id
from ringback.domain.link import ALL_VERBS, Verb
from ringback.domain.options import Attempts, CallbackOptions
from ringback.domain.outcome import Canceled, Completed, Failed, is_dropped, is_retried, to_body
from ringback.domain.terms import Terms

REPLACED: Final = "a later attempt opened a new callback"
"""Why a callback expires that a later one replaces."""


@dataclass(frozen=True, slots=True)
class RunningAttempt:
    """An attempt that runs, as its SDK or Temporal describes it.

    Attributes:
        ref: The activity, with the exact time at which it was first scheduled.
        number: The attempt's number, from 1; an operator's reset starts again at 1.
        started_at: When Temporal started the attempt; it decides which attempt is later.
        task_token: Temporal's token of the attempt. Only Temporal ever receives it.
        workflow_type: The type of its workflow; empty for a standalone activity.
        activity_type: Its type.
        task_queue: The task queue of its worker.
        timeout_at: When Temporal times out the attempt; `None` if it never does.
        schedule_to_close: The timeout over all attempts; `None` if unset.
        heartbeat_timeout: The heartbeat timeout; `None` if unset.
    """

    ref: ActivityExecution
    number: int
    started_at: datetime
    task_token: bytes | None = field(repr=False)
    workflow_type: str
    activity_type: str
    task_queue: str
    timeout_at: datetime | None = None
    schedule_to_close: timedelta | None = None
    heartbeat_timeout: timedelta | None = None


@dataclass(frozen=True, slots=True)
class OpenRequest:
    """An attempt's request for the callback of its activity.

    Attributes:
        id: The id of the callback if it is created now.
        attempt: The attempt.
        key_id: The key that signs the link, if it is created now.
        link_expires_at: When the link expires, if it is created now.
        verbs: What the callback's link allows, if it is created now.
        options: The activity's options.
        result_schema: The JSON Schema of the result, as text; `None` accepts any JSON.
        traceparent: The trace context of the attempt, if it has one.
    """

    id: CallbackId
    attempt: RunningAttempt
    key_id: str
    link_expires_at: datetime
    verbs: frozenset[Verb] = ALL_VERBS
    options: CallbackOptions = field(default_factory=CallbackOptions)
    result_schema: str | None = None
    traceparent: str | None = None

    @property
    def terms(self) -> Terms:
        """The terms of the callback if it is created now."""
        return Terms(
            callback_id=self.id,
            namespace=self.attempt.ref.namespace,
            workflow_id=self.attempt.ref.workflow_id,
            activity_id=self.attempt.ref.activity_id,
            workflow_type=self.attempt.workflow_type,
            activity_type=self.attempt.activity_type,
            task_queue=self.attempt.task_queue,
            schema_id=None,
        )


@dataclass(frozen=True, slots=True)
class OpenResult:
    """The changes of a request to open a callback.

    Attributes:
        callback: The callback of the attempt.
        changed: The callbacks that are changed or new, in that order.
        entries: The entries to record, in order.
        aliases: The aliases that the callback gets.
    """

    callback: Callback
    changed: tuple[Callback, ...] = ()
    entries: tuple[AuditEntry, ...] = ()
    aliases: tuple[str, ...] = ()


def find_or_create(latest: Callback | None, request: OpenRequest, now: datetime) -> OpenResult:
    """Return the callback for `request`, given the activity's `latest` one.

    Raises:
        MalformedRequestError: The callback would have too many aliases.
    """
    if latest is None:
        return _create(request, 1, now)
    if needs_new_callback(latest, request):
        created = _create(request, latest.generation + 1, now)
        return created if latest.state is not State.OPEN else _replace(latest, created, now)
    is_later = is_later_attempt(latest, request)
    return _with_aliases(
        _update(latest, request, now) if is_later else OpenResult(latest), request, now
    )


def _create(request: OpenRequest, generation: int, now: datetime) -> OpenResult:
    attempt, deadline = request.attempt, request.options.deadline
    own_deadline_at = None if deadline is None else later(now, deadline)
    callback = Callback(
        id=request.id,
        ref=attempt.ref,
        generation=generation,
        state=State.OPEN,
        workflow_type=attempt.workflow_type,
        activity_type=attempt.activity_type,
        task_queue=attempt.task_queue,
        attempt=attempt.number,
        attempt_started_at=attempt.started_at,
        task_token=attempt.task_token,
        opened_at=now,
        submitted_at=None,
        attempt_timeout_at=attempt.timeout_at,
        own_deadline_at=own_deadline_at,
        schema_id=None if request.result_schema is None else schema_id(request.result_schema),
        expired_at=None,
        expired_because=None,
        verbs=request.verbs,
        key_id=request.key_id,
        link_expires_at=request.link_expires_at,
        options=request.options,
        sender_poll=SenderPoll(next_poll_due_at(now, request.options, own_deadline_at)),
        traceparent=request.traceparent,
    )
    callback = _with_new_heartbeat_state(callback, request, now)
    facts: dict[str, object] = {"attempt": attempt.number}
    if request.options.aliases:
        facts["aliases"] = list(request.options.aliases)
    opened = AuditEntry(request.id, now, AuditKind.OPENED, facts)
    return OpenResult(callback, (callback,), (opened,), request.options.aliases)


def _replace(latest: Callback, created: OpenResult, now: datetime) -> OpenResult:
    over = replace(latest.move(State.EXPIRED), expired_at=now, expired_because=REPLACED)
    expired = AuditEntry(latest.id, now, AuditKind.EXPIRED, {"reason": REPLACED})
    return replace(created, changed=(over, *created.changed), entries=(expired, *created.entries))


def _update(latest: Callback, request: OpenRequest, now: datetime) -> OpenResult:
    attempt, options = request.attempt, latest.options.updated_by(request.options)
    callback = replace(
        latest,
        ref=replace(latest.ref, run_id=attempt.ref.run_id),
        attempt=attempt.number,
        attempt_started_at=attempt.started_at,
        task_token=attempt.task_token,
        attempt_timeout_at=attempt.timeout_at,
        options=options,
        sender_poll=reopened(
            latest.sender_poll, now, options=options, deadline_at=latest.own_deadline_at
        ),
    )
    callback = _with_new_heartbeat_state(callback, request, now)
    if callback.accepted is not None and callback.is_resumed and callback.state is State.ACCEPTED:
        # It receives the outcome, so that the deliverer does not end it from here on.
        accepted = replace(callback.accepted, delivered_inline_attempt=attempt.number)
        callback = replace(callback, accepted=accepted)
    facts: dict[str, object] = {"attempt": attempt.number}
    if attempt.ref.run_id != latest.ref.run_id:
        facts["run_id"] = attempt.ref.run_id
    again = AuditEntry(latest.id, now, AuditKind.OPENED_AGAIN, facts)
    return OpenResult(callback, (callback,), (again,))


def _with_aliases(opened: OpenResult, request: OpenRequest, now: datetime) -> OpenResult:
    """Add the aliases of an attempt that opens a callback again; those from before remain.

    A sender may know any of them. A callback with an answer needs no more.
    """
    callback = opened.callback
    if callback.state is not State.OPEN:
        return opened
    had = callback.options.aliases
    missing = missing_aliases(had, request.options.aliases)
    if not missing:
        return opened
    changed = callback.with_aliases((*had, *missing))
    added = (to_alias_added(callback.id, alias, now) for alias in missing)
    return OpenResult(changed, (changed,), (*opened.entries, *added), missing)


def _with_new_heartbeat_state(callback: Callback, request: OpenRequest, now: datetime) -> Callback:
    """Return `callback` with the heartbeat state of a new attempt, which has sent none yet."""
    heartbeat_state = replace(
        callback.heartbeat_state,
        timeout=request.attempt.heartbeat_timeout,
        details=None,
        heartbeat_sent_at=None,
    )
    callback = replace(callback, heartbeat_state=heartbeat_state)
    # The attempt's heartbeat timeout began before this request.
    due_at = now + heartbeat_state.gap / 2 if callback.is_kept_alive else None
    return replace(callback, heartbeat_state=replace(heartbeat_state, heartbeat_due_at=due_at))


def is_later_attempt(callback: Callback, request: OpenRequest) -> bool:
    """Return whether `request` is from a later attempt than the last one that opened it."""
    return request.attempt.started_at > callback.attempt_started_at


def needs_new_callback(callback: Callback, request: OpenRequest) -> bool:
    """Return whether `request` needs a new callback.

    It does if `callback` is settled but Temporal runs the activity again: the answer was a failure
    that Temporal retried, or it expired. A result remains the result: an attempt that received it
    and then failed receives it again. A parked failure that Temporal retries does not block later
    attempts, because another attempt is all that it was meant to cause. With `Attempts.CURRENT`,
    each later attempt needs its own callback.
    """
    if callback.options.attempts is Attempts.CURRENT and is_later_attempt(callback, request):
        return True
    accepted = callback.accepted
    if callback.state is State.PARKED and accepted is not None:
        return _is_retried_by(request, accepted)
    if callback.state in {State.OPEN, State.ACCEPTED}:
        return False
    if accepted is None or is_dropped(to_body(accepted.outcome) or b""):
        return True
    return _is_asked_again(callback, accepted, request)


def _is_asked_again(callback: Callback, accepted: Accepted, request: OpenRequest) -> bool:
    is_in_another_run = request.attempt.ref.run_id != callback.ref.run_id
    if callback.state is State.SUPERSEDED and (callback.options.resume or is_in_another_run):
        # Its sender knows that it was not used. The workflow was reset after its end.
        return True
    match accepted.outcome:
        case Completed():
            return False
        case Failed(non_retryable=True) if callback.options.resume:
            # The activity continued with it, and may have caught it: it is raised again.
            return False
        case _:
            return True


def _is_retried_by(request: OpenRequest, accepted: Accepted) -> bool:
    tried_at = accepted.unconfirmed_started_at
    if not is_retried(accepted.outcome):
        return False
    return tried_at is None or request.attempt.started_at > tried_at


class Next(Enum):
    """What the attempt does next."""

    SUBMIT = "submit"
    """Call `submit`, report that it returned, and wait."""

    WAIT = "wait"
    """Wait: an earlier attempt has submitted, or the answer is being delivered."""

    POLL = "poll"
    """Poll the sender, report what it said, and wait."""

    RETURN = "return"
    """Return or raise the answer, which nobody else delivers."""


def next_of(callback: Callback) -> Next:
    """Return what the attempt that opened `callback` does next, if it receives nothing inline."""
    accepted = callback.accepted
    if accepted is None:
        is_poll = callback.sender_poll.requested_at is not None
        submitted = Next.POLL if is_poll else Next.WAIT
        return Next.SUBMIT if callback.submitted_at is None else submitted
    is_settled = callback.state in {State.APPLIED, State.SUPERSEDED}
    # An attempt cannot end itself as canceled.
    return Next.RETURN if is_settled and not isinstance(accepted.outcome, Canceled) else Next.WAIT
