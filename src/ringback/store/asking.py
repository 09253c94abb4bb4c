"""Asking: what becomes of an activity's latest callback when an attempt asks."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ringback.domain.callback import Callback, State
from ringback.domain.durations import later
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import schema_id
from ringback.domain.opening import OpenRequest, is_later_attempt, needs_new_callback

REPLACED: Final = "a later attempt asks anew"
"""Why a callback expires whose activity has a later one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an attempt's asking comes to.

    Attributes:
        callback: The callback that the attempt gets.
        changed: The callbacks that are not as they were, or new, in that order.
        happened: What is to be told of them.
    """

    callback: Callback
    changed: tuple[Callback, ...] = ()
    happened: tuple[Event, ...] = ()


def ask(latest: Callback | None, request: OpenRequest, now: datetime) -> Asked:
    """Return what `request` comes to, where `latest` is the activity's latest callback so far."""
    if latest is None:
        return _begin(request, 1, now)
    if needs_new_callback(latest, request):
        begun = _begin(request, latest.generation + 1, now)
        return begun if latest.state is not State.OPEN else _replace(latest, begun, now)
    if is_later_attempt(latest, request):
        return _ask_again(latest, request, now)
    return Asked(latest)


def _begin(request: OpenRequest, round_: int, now: datetime) -> Asked:
    deadline = request.options.deadline
    callback = Callback(
        id=request.id,
        ref=request.ref,
        generation=round_,
        state=State.OPEN,
        workflow_type=request.workflow_type,
        activity_type=request.activity_type,
        task_queue=request.task_queue,
        attempt=request.attempt,
        attempt_started_at=request.attempt_started_at,
        task_token=request.task_token,
        opened_at=now,
        submitted_at=None,
        attempt_timeout_at=request.attempt_timeout_at,
        own_deadline_at=None if deadline is None else later(now, deadline),
        schema_id=None if request.result_schema is None else schema_id(request.result_schema),
        expired_at=None,
        expired_because=None,
        verbs=request.verbs,
        key_id=request.key_id,
        link_expires_at=request.link_expires_at,
        options=request.options,
    )
    callback = _with_vitals(callback, request, now)
    opened = Event(request.id, now, EventKind.OPENED, {"attempt": request.attempt})
    return Asked(callback, (callback,), (opened,))


def _replace(latest: Callback, begun: Asked, now: datetime) -> Asked:
    over = replace(latest.move(State.EXPIRED), expired_at=now, expired_because=REPLACED)
    expired = Event(latest.id, now, EventKind.EXPIRED, {"reason": REPLACED})
    return Asked(begun.callback, (over, *begun.changed), (expired, *begun.happened))


def _ask_again(latest: Callback, request: OpenRequest, now: datetime) -> Asked:
    callback = replace(
        latest,
        ref=replace(latest.ref, run_id=request.ref.run_id),
        attempt=request.attempt,
        attempt_started_at=request.attempt_started_at,
        task_token=request.task_token,
        attempt_timeout_at=request.attempt_timeout_at,
        options=replace(latest.options, heartbeat=request.options.heartbeat),
    )
    callback = _with_vitals(callback, request, now)
    facts: dict[str, object] = {"attempt": request.attempt}
    if request.ref.run_id != latest.ref.run_id:
        facts["run_id"] = request.ref.run_id
    again = Event(latest.id, now, EventKind.OPENED_AGAIN, facts)
    return Asked(callback, (callback,), (again,))


def _with_vitals(callback: Callback, request: OpenRequest, now: datetime) -> Callback:
    """Return `callback` with the heartbeats of the attempt that asks: none yet.

    What was said to the attempt before, Temporal has; what this one records itself is newer.
    """
    heartbeat_state = replace(
        callback.heartbeat_state,
        timeout=request.heartbeat_timeout,
        details=None,
        heartbeat_sent_at=None,
    )
    callback = replace(callback, heartbeat_state=heartbeat_state)
    # The attempt's time runs since before it asked.
    due_at = now + heartbeat_state.gap / 2 if callback.is_kept_alive else None
    return replace(callback, heartbeat_state=replace(heartbeat_state, heartbeat_due_at=due_at))
