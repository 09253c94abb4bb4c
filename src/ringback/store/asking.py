"""Asking: what becomes of an activity's latest callback when an attempt asks."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from ringback.domain.asking import Wish, asks_again, asks_anew
from ringback.domain.callback import Callback, State
from ringback.domain.durations import later
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import schema_id

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


def ask(latest: Callback | None, wish: Wish, now: datetime) -> Asked:
    """Return what `wish` comes to, where `latest` is the activity's latest callback so far."""
    if latest is None:
        return _begin(wish, 1, now)
    if asks_anew(latest, wish):
        begun = _begin(wish, latest.round + 1, now)
        return begun if latest.state is not State.OPEN else _replace(latest, begun, now)
    if asks_again(latest, wish):
        return _ask_again(latest, wish, now)
    return Asked(latest)


def _begin(wish: Wish, round_: int, now: datetime) -> Asked:
    deadline = wish.options.deadline
    callback = Callback(
        id=wish.id,
        ref=wish.ref,
        round=round_,
        state=State.OPEN,
        workflow_type=wish.workflow_type,
        activity_type=wish.activity_type,
        task_queue=wish.task_queue,
        attempt=wish.attempt,
        attempt_started_at=wish.attempt_started_at,
        task_token=wish.task_token,
        opened_at=now,
        submitted_at=None,
        timeout_at=wish.timeout_at,
        answer_by=None if deadline is None else later(now, deadline),
        schema_id=None if wish.result_schema is None else schema_id(wish.result_schema),
        expired_at=None,
        expired_because=None,
        verbs=wish.verbs,
        key_id=wish.key_id,
        link_expires_at=wish.link_expires_at,
        options=wish.options,
    )
    callback = _with_vitals(callback, wish, now)
    opened = Event(wish.id, now, EventKind.OPENED, {"attempt": wish.attempt})
    return Asked(callback, (callback,), (opened,))


def _replace(latest: Callback, begun: Asked, now: datetime) -> Asked:
    over = replace(latest.move(State.EXPIRED), expired_at=now, expired_because=REPLACED)
    expired = Event(latest.id, now, EventKind.EXPIRED, {"reason": REPLACED})
    return Asked(begun.callback, (over, *begun.changed), (expired, *begun.happened))


def _ask_again(latest: Callback, wish: Wish, now: datetime) -> Asked:
    callback = replace(
        latest,
        ref=replace(latest.ref, run_id=wish.ref.run_id),
        attempt=wish.attempt,
        attempt_started_at=wish.attempt_started_at,
        task_token=wish.task_token,
        timeout_at=wish.timeout_at,
        options=replace(latest.options, heartbeat=wish.options.heartbeat),
    )
    callback = _with_vitals(callback, wish, now)
    facts: dict[str, object] = {"attempt": wish.attempt}
    if wish.ref.run_id != latest.ref.run_id:
        facts["run_id"] = wish.ref.run_id
    again = Event(latest.id, now, EventKind.ASKED_AGAIN, facts)
    return Asked(callback, (callback,), (again,))


def _with_vitals(callback: Callback, wish: Wish, now: datetime) -> Callback:
    """Return `callback` with the heartbeats of the attempt that asks: none yet.

    What was said to the attempt before, Temporal has; what this one records itself is newer.
    """
    vitals = replace(callback.vitals, timeout=wish.heartbeat_timeout, details=None, beaten_at=None)
    callback = replace(callback, vitals=vitals)
    # The attempt's time runs since before it asked.
    due_at = now + vitals.gap / 2 if callback.is_kept_alive else None
    return replace(callback, vitals=replace(vitals, beat_due_at=due_at))
