"""Liveness: what polls of Temporal, and heartbeats sent and received, change in a callback."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.activity_state import HeartbeatResponse, HeartbeatState, Pending
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId

FIRST_POLL_AFTER: Final = timedelta(seconds=1)
"""How long after a question was asked Temporal is first asked about its activity."""

_LONGEST_HOLD: Final = timedelta(minutes=1)
_MOMENT: Final = timedelta(microseconds=1)
ENDS: Final = frozenset({State.APPLIED, State.SUPERSEDED, State.EXPIRED})


@dataclass(frozen=True, slots=True)
class PollResult:
    """What Temporal showed of the activity of an open callback.

    Attributes:
        callback_id: The callback.
        attempt_started_at: `Callback.attempt_started_at` as it was looked for: once a later attempt
            has asked, the sighting is void.
        pending: How the activity waits.
        poll_in: When to look again, from now on.
    """

    callback_id: CallbackId
    attempt_started_at: datetime
    pending: Pending
    poll_in: timedelta


@dataclass(frozen=True, slots=True)
class SentHeartbeat:
    """A heartbeat that Temporal has taken.

    Attributes:
        callback_id: The callback.
        attempt_started_at: `Callback.attempt_started_at` as it was claimed: once a later attempt
            has asked, it is void.
        heartbeat_received_at: `HeartbeatState.heartbeat_received_at` as it was claimed: what the
            outside said since is still due.
        response: What Temporal answered.
    """

    callback_id: CallbackId
    attempt_started_at: datetime
    heartbeat_received_at: datetime | None
    response: HeartbeatResponse


@dataclass(frozen=True, slots=True)
class ReceivedHeartbeat:
    """A sign of life from the outside.

    Attributes:
        callback_id: The callback.
        details: One JSON value; `None` keeps what was said before.
    """

    callback_id: CallbackId
    details: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class HeartbeatReceipt:
    """What became of a sign of life.

    Attributes:
        callback: The callback as it stands; `None` if there is none.
        is_due: Temporal is to be told now, and nobody but the caller does it: it has claimed it.
    """

    callback: Callback | None
    is_due: bool


@dataclass(frozen=True, slots=True)
class PollState:
    """What only the store knows of a callback that it keeps up to date.

    Attributes:
        poll_due_at: When Temporal is to be asked how the activity waits.
        poll_held_until: Until when somebody has claimed that look.
        heartbeat_held_until: Until when no sign of life makes a heartbeat due: somebody has claimed
            it, or it was postponed.
        reset_at: When it was learnt that an operator reset the attempt that asked last.
    """

    poll_due_at: datetime
    poll_held_until: datetime | None = None
    heartbeat_held_until: datetime | None = None
    reset_at: datetime | None = None

    def is_heartbeat_held(self, now: datetime, gap: timedelta) -> bool:
        """Tell whether a heartbeat is claimed, or waits after one that was not taken.

        A hold that is much longer than `gap` was made before the clock was set back.
        """
        if self.heartbeat_held_until is None:
            return False
        return now < self.heartbeat_held_until <= now + max(gap, _LONGEST_HOLD)


@dataclass(frozen=True, slots=True)
class TrackedCallback:
    """A callback that is kept up to date.

    Attributes:
        callback: The callback.
        poll_state: What only the store knows of it.
        happened: What is to be told of it.
    """

    callback: Callback
    poll_state: PollState
    happened: tuple[Event, ...] = field(default=())


def apply_poll_result(
    tracked: TrackedCallback, poll_result: PollResult, now: datetime
) -> TrackedCallback:
    """Return what `poll_result` comes to; `tracked` itself, if it is void."""
    callback, pending = tracked.callback, poll_result.pending
    is_void = callback.attempt_started_at != poll_result.attempt_started_at
    if is_void or callback.state is not State.OPEN:
        return tracked
    is_running = _is_running(callback, pending)
    # The number of its attempt is left as it was: the task token bears that, and fits it alone.
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
    return _learn(
        tracked, HeartbeatResponse(pending.cancel_requested, pending.paused, was_reset), now
    )


def apply_sent_heartbeat(
    tracked: TrackedCallback, taken: SentHeartbeat, now: datetime
) -> TrackedCallback:
    """Return what a heartbeat that was taken comes to; `tracked` itself, if it is void."""
    callback = tracked.callback
    is_void = callback.attempt_started_at != taken.attempt_started_at
    if is_void or callback.state in ENDS:
        return tracked
    heartbeat_state = callback.heartbeat_state
    is_awaited = (
        callback.is_kept_alive
        or heartbeat_state.heartbeat_received_at != taken.heartbeat_received_at
    )
    due_at = now + heartbeat_state.gap if is_awaited else None
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
    return _learn(tracked, taken.response, now)


def apply_received_heartbeat(
    tracked: TrackedCallback, said: ReceivedHeartbeat, now: datetime, *, lease: timedelta
) -> tuple[TrackedCallback, HeartbeatReceipt]:
    """Return what a sign of life from outside comes to, and what is told of it."""
    callback, poll_state = tracked.callback, tracked.poll_state
    if callback.state is not State.OPEN:
        return tracked, HeartbeatReceipt(callback, is_due=False)
    heartbeat_state = _noted(callback.heartbeat_state, said, now)
    is_due = (
        not poll_state.is_heartbeat_held(now, heartbeat_state.gap)
        and _passed_on_at(heartbeat_state, now) <= now
    )
    if is_due:
        heartbeat_state = replace(heartbeat_state, heartbeat_due_at=now + lease)
        poll_state = replace(poll_state, heartbeat_held_until=now + lease)
    elif not poll_state.is_heartbeat_held(now, heartbeat_state.gap):
        due_at = min(
            filter(None, (heartbeat_state.heartbeat_due_at, _passed_on_at(heartbeat_state, now)))
        )
        heartbeat_state = replace(heartbeat_state, heartbeat_due_at=due_at)
    callback = replace(callback, heartbeat_state=heartbeat_state)
    return replace(tracked, callback=callback, poll_state=poll_state), HeartbeatReceipt(
        callback, is_due=is_due
    )


def _noted(
    heartbeat_state: HeartbeatState, said: ReceivedHeartbeat, now: datetime
) -> HeartbeatState:
    # No two have the same instant: by that it is known what was said after a claim.
    heartbeat_received_at = (
        now
        if heartbeat_state.heartbeat_received_at is None
        else max(now, heartbeat_state.heartbeat_received_at + _MOMENT)
    )
    details = heartbeat_state.details if said.details is None else said.details
    return replace(heartbeat_state, details=details, heartbeat_received_at=heartbeat_received_at)


def _passed_on_at(heartbeat_state: HeartbeatState, now: datetime) -> datetime:
    return _next_at(heartbeat_state, now) or now


def _next_at(heartbeat_state: HeartbeatState, now: datetime) -> datetime | None:
    """Return the latest instant for the next heartbeat; `None` if none was taken before.

    One that was taken in the future was taken before the clock was set back.
    """
    if heartbeat_state.heartbeat_sent_at is None or heartbeat_state.heartbeat_sent_at > now:
        return None
    return heartbeat_state.heartbeat_sent_at + heartbeat_state.gap


def _due_at(callback: Callback, now: datetime, *, is_running: bool) -> datetime | None:
    """Return when a heartbeat is due where nobody has claimed it, as the timeout is now."""
    heartbeat_state = callback.heartbeat_state
    latest = _next_at(heartbeat_state, now) or now + heartbeat_state.gap / 2
    if heartbeat_state.heartbeat_due_at is not None:
        return min(heartbeat_state.heartbeat_due_at, latest)
    return _passed_on_at(heartbeat_state, now) if callback.is_kept_alive and is_running else None


def _is_running(callback: Callback, pending: Pending) -> bool:
    return pending.is_started and pending.started_at == callback.attempt_started_at


def _learn(tracked: TrackedCallback, response: HeartbeatResponse, now: datetime) -> TrackedCallback:
    """Keep what an operator or the workflow did, and tell what of it is news."""
    callback, poll_state = tracked.callback, tracked.poll_state
    news: list[EventKind] = []
    if response.cancel_requested and callback.cancel_requested_at is None:
        callback = replace(callback, cancel_requested_at=now)
        news.append(EventKind.CANCEL_REQUESTED)
    if response.paused is (callback.paused_at is None):
        callback = replace(callback, paused_at=now if response.paused else None)
        news.append(EventKind.PAUSED if response.paused else EventKind.UNPAUSED)
    # However often Temporal says it of one attempt, it is told once.
    if response.reset and poll_state.reset_at is None:
        poll_state = replace(poll_state, reset_at=now)
        news.append(EventKind.RESET)
    events = (Event(callback.id, now, kind, _facts(kind, callback)) for kind in news)
    return TrackedCallback(callback, poll_state, (*tracked.happened, *events))


def _facts(kind: EventKind, callback: Callback) -> dict[str, object]:
    due_at = callback.cancel_due_at
    if kind is EventKind.CANCEL_REQUESTED and due_at is not None:
        return {"until": format_instant(due_at)}
    return {}
