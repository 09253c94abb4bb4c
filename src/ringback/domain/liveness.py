"""Liveness: how polls of Temporal, and received and sent heartbeats, change a callback."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.activity_state import HeartbeatResponse, HeartbeatState, Pending
from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.ids import CallbackId

FIRST_POLL_AFTER: Final = timedelta(seconds=1)
"""The time from opening a callback to the first poll of its activity."""

_LONGEST_HOLD: Final = timedelta(minutes=1)
_MOMENT: Final = timedelta(microseconds=1)
ENDS: Final = frozenset({State.APPLIED, State.SUPERSEDED, State.EXPIRED})


@dataclass(frozen=True, slots=True)
class PollResult:
    """The pending state of an open callback's activity.

    Attributes:
        callback_id: The callback.
        attempt_started_at: `Callback.attempt_started_at` at the poll. If a later attempt has opened
            the callback since, the result is ignored.
        pending: The activity's pending state.
        poll_in: The time until the next poll.
    """

    callback_id: CallbackId
    attempt_started_at: datetime
    pending: Pending
    poll_in: timedelta


@dataclass(frozen=True, slots=True)
class SentHeartbeat:
    """A heartbeat that Temporal accepted.

    Attributes:
        callback_id: The callback.
        attempt_started_at: `Callback.attempt_started_at` at the claim. If a later attempt has
            opened the callback since, it is ignored.
        heartbeat_received_at: `HeartbeatState.heartbeat_received_at` at the claim. Heartbeats
            received since are still due.
        response: Temporal's response.
    """

    callback_id: CallbackId
    attempt_started_at: datetime
    heartbeat_received_at: datetime | None
    response: HeartbeatResponse


@dataclass(frozen=True, slots=True)
class ReceivedHeartbeat:
    """A heartbeat of a sender.

    Attributes:
        callback_id: The callback.
        details: One JSON value; `None` preserves the details before it.
    """

    callback_id: CallbackId
    details: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeartbeatReceipt:
    """What a received heartbeat caused.

    Attributes:
        callback: The callback afterwards; `None` if it does not exist.
        is_due: Whether the caller has claimed the heartbeat and must send it to Temporal now.
    """

    callback: Callback | None
    is_due: bool


@dataclass(frozen=True, slots=True)
class PollState:
    """The state of polls and heartbeats, which only the store needs.

    Attributes:
        poll_due_at: When the next poll is due.
        poll_held_until: When the claim of that poll ends.
        heartbeat_held_until: Until when received heartbeats make none due: one is claimed or
            postponed.
        reset_at: When Ringback found that an operator reset the latest attempt.
    """

    poll_due_at: datetime
    poll_held_until: datetime | None = None
    heartbeat_held_until: datetime | None = None
    reset_at: datetime | None = None

    def is_heartbeat_held(self, now: datetime, gap: timedelta) -> bool:
        """Return whether a heartbeat is claimed or postponed.

        A hold much longer than `gap` was made before the clock was set back, and is ignored.
        """
        if self.heartbeat_held_until is None:
            return False
        return now < self.heartbeat_held_until <= now + max(gap, _LONGEST_HOLD)


@dataclass(frozen=True, slots=True)
class TrackedCallback:
    """A callback with its poll state.

    Attributes:
        callback: The callback.
        poll_state: The state of its polls and heartbeats.
        happened: The entries to record.
    """

    callback: Callback
    poll_state: PollState
    happened: tuple[AuditEntry, ...] = field(default=())


def apply_poll_result(
    tracked: TrackedCallback, poll_result: PollResult, now: datetime
) -> TrackedCallback:
    """Return `tracked` after `poll_result`; an outdated result changes nothing."""
    callback, pending = tracked.callback, poll_result.pending
    is_outdated = callback.attempt_started_at != poll_result.attempt_started_at
    if is_outdated or callback.state is not State.OPEN:
        return tracked
    is_running = _is_running(callback, pending)
    # `Callback.attempt` is unchanged: the task token contains that number.
    was_reset = is_running and pending.attempt < callback.attempt
    heartbeat_state = replace(callback.heartbeat_state, timeout=pending.heartbeat_timeout)
    callback = replace(
        callback, attempt_timeout_at=pending.attempt_timeout_at, heartbeat_state=heartbeat_state
    )
    if not tracked.poll_state.is_heartbeat_held(now, heartbeat_state.gap):
        due_at = _due_at(callback, now, is_running=is_running)
        callback = replace(
            callback, heartbeat_state=replace(heartbeat_state, heartbeat_due_at=due_at)
        )
    tracked = replace(
        tracked,
        callback=callback,
        poll_state=replace(
            tracked.poll_state, poll_due_at=now + poll_result.poll_in, poll_held_until=None
        ),
    )
    return _record_changes(
        tracked, HeartbeatResponse(pending.cancel_requested, pending.paused, was_reset), now
    )


def apply_sent_heartbeat(
    tracked: TrackedCallback, sent: SentHeartbeat, now: datetime
) -> TrackedCallback:
    """Return `tracked` after a sent heartbeat; an outdated one changes nothing."""
    callback = tracked.callback
    is_outdated = callback.attempt_started_at != sent.attempt_started_at
    if is_outdated or callback.state in ENDS:
        return tracked
    heartbeat_state = callback.heartbeat_state
    is_next_needed = (
        callback.is_kept_alive
        or heartbeat_state.heartbeat_received_at != sent.heartbeat_received_at
    )
    due_at = now + heartbeat_state.gap if is_next_needed else None
    tracked = replace(
        tracked,
        callback=replace(
            callback,
            heartbeat_state=replace(
                heartbeat_state, heartbeat_sent_at=now, heartbeat_due_at=due_at
            ),
        ),
        poll_state=replace(tracked.poll_state, heartbeat_held_until=None),
    )
    return _record_changes(tracked, sent.response, now)


def apply_received_heartbeat(
    tracked: TrackedCallback, received: ReceivedHeartbeat, now: datetime, *, lease: timedelta
) -> tuple[TrackedCallback, HeartbeatReceipt]:
    """Return `tracked` after a heartbeat of a sender, and its receipt."""
    callback, poll_state = tracked.callback, tracked.poll_state
    if callback.state is not State.OPEN:
        return tracked, HeartbeatReceipt(callback, is_due=False)
    heartbeat_state = _with_received(callback.heartbeat_state, received, now)
    is_due = (
        not poll_state.is_heartbeat_held(now, heartbeat_state.gap)
        and _forward_at(heartbeat_state, now) <= now
    )
    if is_due:
        heartbeat_state = replace(heartbeat_state, heartbeat_due_at=now + lease)
        poll_state = replace(poll_state, heartbeat_held_until=now + lease)
    elif not poll_state.is_heartbeat_held(now, heartbeat_state.gap):
        due_at = min(
            filter(None, (heartbeat_state.heartbeat_due_at, _forward_at(heartbeat_state, now)))
        )
        heartbeat_state = replace(heartbeat_state, heartbeat_due_at=due_at)
    callback = replace(callback, heartbeat_state=heartbeat_state)
    return replace(tracked, callback=callback, poll_state=poll_state), HeartbeatReceipt(
        callback, is_due=is_due
    )


def _with_received(
    heartbeat_state: HeartbeatState, received: ReceivedHeartbeat, now: datetime
) -> HeartbeatState:
    # Each has its own instant, which shows whether it arrived after a claim.
    heartbeat_received_at = (
        now
        if heartbeat_state.heartbeat_received_at is None
        else max(now, heartbeat_state.heartbeat_received_at + _MOMENT)
    )
    details = heartbeat_state.details if received.details is None else received.details
    return replace(heartbeat_state, details=details, heartbeat_received_at=heartbeat_received_at)


def _forward_at(heartbeat_state: HeartbeatState, now: datetime) -> datetime:
    return _next_at(heartbeat_state, now) or now


def _next_at(heartbeat_state: HeartbeatState, now: datetime) -> datetime | None:
    """Return the latest instant for the next heartbeat; `None` without an earlier one.

    A heartbeat that was sent in the future was sent before the clock was set back.
    """
    if heartbeat_state.heartbeat_sent_at is None or heartbeat_state.heartbeat_sent_at > now:
        return None
    return heartbeat_state.heartbeat_sent_at + heartbeat_state.gap


def _due_at(callback: Callback, now: datetime, *, is_running: bool) -> datetime | None:
    """Return when an unclaimed heartbeat is due, given the current timeout."""
    heartbeat_state = callback.heartbeat_state
    latest = _next_at(heartbeat_state, now) or now + heartbeat_state.gap / 2
    if heartbeat_state.heartbeat_due_at is not None:
        return min(heartbeat_state.heartbeat_due_at, latest)
    return _forward_at(heartbeat_state, now) if callback.is_kept_alive and is_running else None


def _is_running(callback: Callback, pending: Pending) -> bool:
    return pending.is_started and pending.started_at == callback.attempt_started_at


def _record_changes(
    tracked: TrackedCallback, response: HeartbeatResponse, now: datetime
) -> TrackedCallback:
    """Store cancel requests, pauses and resets, with an entry for each change."""
    callback, poll_state = tracked.callback, tracked.poll_state
    kinds: list[AuditKind] = []
    if response.cancel_requested and callback.cancel_requested_at is None:
        callback = replace(callback, cancel_requested_at=now)
        kinds.append(AuditKind.CANCEL_REQUESTED)
    if response.paused is (callback.paused_at is None):
        callback = replace(callback, paused_at=now if response.paused else None)
        kinds.append(AuditKind.PAUSED if response.paused else AuditKind.UNPAUSED)
    # Recorded once per attempt, however often Temporal reports it.
    if response.reset and poll_state.reset_at is None:
        poll_state = replace(poll_state, reset_at=now)
        kinds.append(AuditKind.RESET)
    entries = (AuditEntry(callback.id, now, kind, _facts(kind, callback)) for kind in kinds)
    return TrackedCallback(callback, poll_state, (*tracked.happened, *entries))


def _facts(kind: AuditKind, callback: Callback) -> dict[str, object]:
    due_at = callback.cancel_due_at
    if kind is AuditKind.CANCEL_REQUESTED and due_at is not None:
        return {"until": format_instant(due_at)}
    return {}
