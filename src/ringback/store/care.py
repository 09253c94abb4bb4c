"""Care: what looks, heartbeats and signs of life from outside come to."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.callback import Callback, State
from ringback.domain.event import Event, EventKind
from ringback.domain.vitals import Vitals
from ringback.ports.activities import Pending, Pulse
from ringback.ports.keeping import Beat, Note, Noted, Sighting

FIRST_LOOK: Final = timedelta(seconds=1)
"""How long after a question was asked Temporal is first asked about its activity."""

_LONGEST_HOLD: Final = timedelta(minutes=1)
_MOMENT: Final = timedelta(microseconds=1)
ENDS: Final = frozenset({State.APPLIED, State.SUPERSEDED, State.EXPIRED})


@dataclass(frozen=True, slots=True)
class Care:
    """What only the store knows of a callback that it keeps up to date.

    Attributes:
        look_due_at: When Temporal is to be asked how the activity waits.
        look_held_until: Until when somebody has claimed that look.
        beat_held_until: Until when no sign of life makes a heartbeat due: somebody has claimed it,
            or it was postponed.
        reset_at: When it was learnt that an operator reset the attempt that asked last.
    """

    look_due_at: datetime
    look_held_until: datetime | None = None
    beat_held_until: datetime | None = None
    reset_at: datetime | None = None

    def is_beat_held(self, now: datetime, gap: timedelta) -> bool:
        """Tell whether a heartbeat is claimed, or waits after one that was not taken.

        A hold that is much longer than `gap` was made before the clock was set back.
        """
        if self.beat_held_until is None:
            return False
        return now < self.beat_held_until <= now + max(gap, _LONGEST_HOLD)


@dataclass(frozen=True, slots=True)
class Kept:
    """A callback that is kept up to date.

    Attributes:
        callback: The callback.
        care: What only the store knows of it.
        happened: What is to be told of it.
    """

    callback: Callback
    care: Care
    happened: tuple[Event, ...] = field(default=())


def see(kept: Kept, sighting: Sighting, now: datetime) -> Kept:
    """Return what `sighting` comes to; `kept` itself, if it is void."""
    callback, pending = kept.callback, sighting.pending
    is_void = callback.attempt_started_at != sighting.attempt_started_at
    if is_void or callback.state is not State.OPEN:
        return kept
    is_running = _is_running(callback, pending)
    # The number of its attempt is left as it was: the task token bears that, and fits it alone.
    was_reset = is_running and pending.attempt < callback.attempt
    vitals = replace(callback.vitals, timeout=pending.heartbeat_timeout)
    callback = replace(callback, timeout_at=pending.timeout_at, vitals=vitals)
    if not kept.care.is_beat_held(now, vitals.gap):
        due_at = _due_at(callback, now, is_running=is_running)
        callback = replace(callback, vitals=replace(vitals, beat_due_at=due_at))
    kept = replace(
        kept,
        callback=callback,
        care=replace(kept.care, look_due_at=now + sighting.look_in, look_held_until=None),
    )
    return _learn(kept, Pulse(pending.cancel_requested, pending.paused, was_reset), now)


def beat(kept: Kept, taken: Beat, now: datetime) -> Kept:
    """Return what a heartbeat that was taken comes to; `kept` itself, if it is void."""
    callback = kept.callback
    is_void = callback.attempt_started_at != taken.attempt_started_at
    if is_void or callback.state in ENDS:
        return kept
    vitals = callback.vitals
    is_awaited = callback.is_kept_alive or vitals.noted_at != taken.noted_at
    due_at = now + vitals.gap if is_awaited else None
    kept = replace(
        kept,
        callback=replace(callback, vitals=replace(vitals, beaten_at=now, beat_due_at=due_at)),
        care=replace(kept.care, beat_held_until=None),
    )
    return _learn(kept, taken.pulse, now)


def note(kept: Kept, said: Note, now: datetime, *, lease: timedelta) -> tuple[Kept, Noted]:
    """Return what a sign of life from outside comes to, and what is told of it."""
    callback, care = kept.callback, kept.care
    if callback.state is not State.OPEN:
        return kept, Noted(callback, is_due=False)
    vitals = _noted(callback.vitals, said, now)
    is_due = not care.is_beat_held(now, vitals.gap) and _passed_on_at(vitals, now) <= now
    if is_due:
        vitals = replace(vitals, beat_due_at=now + lease)
        care = replace(care, beat_held_until=now + lease)
    elif not care.is_beat_held(now, vitals.gap):
        due_at = min(filter(None, (vitals.beat_due_at, _passed_on_at(vitals, now))))
        vitals = replace(vitals, beat_due_at=due_at)
    callback = replace(callback, vitals=vitals)
    return replace(kept, callback=callback, care=care), Noted(callback, is_due=is_due)


def _noted(vitals: Vitals, said: Note, now: datetime) -> Vitals:
    # No two have the same instant: by that it is known what was said after a claim.
    noted_at = now if vitals.noted_at is None else max(now, vitals.noted_at + _MOMENT)
    details = vitals.details if said.details is None else said.details
    return replace(vitals, details=details, noted_at=noted_at)


def _passed_on_at(vitals: Vitals, now: datetime) -> datetime:
    return _next_at(vitals, now) or now


def _next_at(vitals: Vitals, now: datetime) -> datetime | None:
    """Return the latest instant for the next heartbeat; `None` if none was taken before.

    One that was taken in the future was taken before the clock was set back.
    """
    if vitals.beaten_at is None or vitals.beaten_at > now:
        return None
    return vitals.beaten_at + vitals.gap


def _due_at(callback: Callback, now: datetime, *, is_running: bool) -> datetime | None:
    """Return when a heartbeat is due where nobody has claimed it, as the timeout is now."""
    vitals = callback.vitals
    latest = _next_at(vitals, now) or now + vitals.gap / 2
    if vitals.beat_due_at is not None:
        return min(vitals.beat_due_at, latest)
    return _passed_on_at(vitals, now) if callback.is_kept_alive and is_running else None


def _is_running(callback: Callback, pending: Pending) -> bool:
    return pending.is_started and pending.started_at == callback.attempt_started_at


def _learn(kept: Kept, pulse: Pulse, now: datetime) -> Kept:
    """Keep what an operator or the workflow did, and tell what of it is news."""
    callback, care = kept.callback, kept.care
    news: list[EventKind] = []
    if pulse.cancel_requested and callback.cancel_requested_at is None:
        callback = replace(callback, cancel_requested_at=now)
        news.append(EventKind.CANCEL_REQUESTED)
    if pulse.paused is (callback.paused_at is None):
        callback = replace(callback, paused_at=now if pulse.paused else None)
        news.append(EventKind.PAUSED if pulse.paused else EventKind.UNPAUSED)
    # However often Temporal says it of one attempt, it is told once.
    if pulse.reset and care.reset_at is None:
        care = replace(care, reset_at=now)
        news.append(EventKind.RESET)
    events = (Event(callback.id, now, kind, _facts(kind, callback)) for kind in news)
    return Kept(callback, care, (*kept.happened, *events))


def _facts(kind: EventKind, callback: Callback) -> dict[str, object]:
    due_at = callback.cancel_due_at
    if kind is EventKind.CANCEL_REQUESTED and due_at is not None:
        return {"until": due_at.isoformat()}
    return {}
