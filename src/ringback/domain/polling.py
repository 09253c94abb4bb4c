"""How requests and results of a sender's polls change a callback."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Final, TypeAlias, assert_never

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.deadlines import SenderPoll, next_poll_due_at
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import TrackedCallback

POSTPONED_BY: Final = timedelta(seconds=10)
"""When a poll is due again that cannot be requested now."""


class PollStep(Enum):
    """What the gateway did with a poll that was due."""

    REQUESTED = "requested"
    """It is about to end the attempt that waits."""

    SENT = "sent"
    """It has ended that attempt, or found it ended."""

    POSTPONED = "postponed"
    """The activity cannot be polled now: no attempt waits, or it is paused."""


@dataclass(frozen=True, slots=True)
class PollProgress:
    """A step of a poll that was due.

    Attributes:
        callback_id: The callback.
        attempt_started_at: `Callback.attempt_started_at` at the claim. If a later attempt has
            opened the callback since, the step is ignored.
        step: The step.
    """

    callback_id: CallbackId
    attempt_started_at: datetime
    step: PollStep


@dataclass(frozen=True, slots=True)
class PollingStopped:
    """No more polls are possible; the default answer waits for none.

    Attributes:
        callback_id: The callback.
        attempt_started_at: As for `PollProgress`.
        reason: Why, in a few words.
    """

    callback_id: CallbackId
    attempt_started_at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PollReport:
    """What came of a poll, as its attempt reports.

    Attributes:
        callback_id: The callback.
        attempt: The attempt that polled.
        found: `an answer`, `a late answer`, `not yet` or `an error`.
        error: The type of the error, if it failed.
    """

    callback_id: CallbackId
    attempt: int
    found: str
    error: str | None = None


PollChange: TypeAlias = PollProgress | PollingStopped | PollReport


def apply_poll_change(
    tracked: TrackedCallback, change: PollChange, now: datetime
) -> TrackedCallback:
    """Return `tracked` after `change`; an outdated change returns the same object."""
    match change:
        case PollReport():
            return _apply_report(tracked, change, now)
        case PollProgress() | PollingStopped():
            callback = tracked.callback
            is_outdated = callback.attempt_started_at != change.attempt_started_at
            if is_outdated or callback.state is not State.OPEN:
                return tracked
            return _apply_step(tracked, change, now)
        case _:
            assert_never(change)


def _apply_step(
    tracked: TrackedCallback, change: PollProgress | PollingStopped, now: datetime
) -> TrackedCallback:
    callback = tracked.callback
    poll = callback.sender_poll
    if isinstance(change, PollingStopped):
        entry = AuditEntry(callback.id, now, AuditKind.POLLING_STOPPED, {"reason": change.reason})
        return _changed(tracked, SenderPoll(is_over=True), entry)
    match change.step:
        case PollStep.REQUESTED:
            facts: dict[str, object] = {"attempt": callback.attempt}
            entry = AuditEntry(callback.id, now, AuditKind.POLL_REQUESTED, facts)
            return _changed(tracked, replace(poll, requested_at=now), entry)
        case PollStep.SENT:
            return _changed(tracked, replace(poll, due_at=_next(callback, now)))
        case PollStep.POSTPONED:
            return _changed(tracked, replace(poll, due_at=now + POSTPONED_BY))
        case _:
            assert_never(change.step)


def _apply_report(tracked: TrackedCallback, report: PollReport, now: datetime) -> TrackedCallback:
    callback = tracked.callback
    requested_at = callback.sender_poll.requested_at
    if requested_at is None or report.attempt != callback.attempt:
        return tracked
    facts: dict[str, object] = {"attempt": report.attempt, "found": report.found}
    if report.error is not None:
        facts["error"] = report.error
    # A request in the future was recorded before the clock was set back.
    after = min(requested_at, now)
    due_at = None if callback.state is not State.OPEN else _next(callback, after)
    entry = AuditEntry(callback.id, now, AuditKind.POLLED, facts)
    return _changed(tracked, SenderPoll(due_at, is_over=due_at is None), entry)


def _next(callback: Callback, after: datetime) -> datetime | None:
    return next_poll_due_at(after, callback.options, callback.own_deadline_at)


def _changed(tracked: TrackedCallback, poll: SenderPoll, *entries: AuditEntry) -> TrackedCallback:
    callback = replace(tracked.callback, sender_poll=poll)
    return replace(tracked, callback=callback, happened=(*tracked.happened, *entries))
