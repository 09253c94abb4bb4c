"""Rows, and the domain's values that they stand for."""

import json
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Row

from ringback.domain.callback import Accepted, ActivityRef, Callback, State, Wish
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.link import Verb
from ringback.domain.outcome import KINDS, body_of, from_parts, to_fields
from ringback.ports.store import Answer

AnyRow = Row[tuple[Any, ...]]


def activity_key(ref: ActivityRef) -> str:
    """Return a digest that only this activity execution has."""
    parts = [ref.namespace, ref.workflow_id, ref.run_id, ref.activity_id]
    text = json.dumps([*parts, ref.scheduled_at.isoformat()])
    return sha256(text.encode()).hexdigest()[:40]


def from_wish(wish: Wish, round_: int, now: datetime) -> dict[str, object]:
    """Return the row of a callback that is made now."""
    ref = wish.ref
    return {
        "id": wish.id,
        "activity_key": activity_key(ref),
        "round": round_,
        "namespace": ref.namespace,
        "workflow_id": ref.workflow_id,
        "run_id": ref.run_id,
        "activity_id": ref.activity_id,
        "scheduled_at": ref.scheduled_at,
        "workflow_type": wish.workflow_type,
        "activity_type": wish.activity_type,
        "task_queue": wish.task_queue,
        "attempt": wish.attempt,
        "opened_at": now,
        "deadline_at": wish.deadline_at,
        "verbs": sum(verb.value for verb in wish.verbs),
        "key_id": wish.key_id,
        "link_expires_at": wish.link_expires_at,
    }


def from_attempt(callback: Callback) -> dict[str, object]:
    """Return what a later attempt changes in the row of a callback."""
    return {
        "callback_id": callback.id,
        "attempt_": callback.attempt,
        "deadline_at_": callback.deadline_at,
    }


def from_answer(answer: Answer, now: datetime) -> dict[str, object]:
    """Return the row of an outcome that is accepted now."""
    return {
        "callback_id": answer.callback_id,
        "outcome_id": answer.id,
        "kind": KINDS[type(answer.outcome)],
        "body": body_of(answer.outcome),
        "fields": to_fields(answer.outcome),
        "accepted_at": now,
        "state": State.ACCEPTED.value,
        "due_at": now,
        "tries": 0,
    }


def from_event(event: Event) -> dict[str, object]:
    """Return the row of an event."""
    return {
        "callback_id": event.callback_id,
        "at": event.at,
        "kind": event.kind.value,
        "facts": event.facts,
    }


def to_event(row: AnyRow) -> Event:
    """Return the event of a row."""
    return Event(CallbackId(row.callback_id), row.at, EventKind(row.kind), row.facts)


def to_callback(row: AnyRow) -> Callback:
    """Return the callback of a row of `callbacks` joined with its outcome, if it has one."""
    return Callback(
        id=CallbackId(row.id),
        ref=ActivityRef(
            row.namespace, row.workflow_id, row.run_id, row.activity_id, row.scheduled_at
        ),
        round=row.round,
        state=_state(row),
        workflow_type=row.workflow_type,
        activity_type=row.activity_type,
        task_queue=row.task_queue,
        attempt=row.attempt,
        opened_at=row.opened_at,
        submitted_at=row.submitted_at,
        deadline_at=row.deadline_at,
        expired_at=None if row.expired_because is None else row.closed_at,
        expired_because=row.expired_because,
        verbs=frozenset(verb for verb in Verb if verb.value & row.verbs),
        key_id=row.key_id,
        link_expires_at=row.link_expires_at,
        accepted=_accepted(row),
    )


def _state(row: AnyRow) -> State:
    if row.state is not None:
        return State(row.state)
    return State.OPEN if row.expired_because is None else State.EXPIRED


def _accepted(row: AnyRow) -> Accepted | None:
    if row.outcome_id is None:
        return None
    return Accepted(
        id=OutcomeId(row.outcome_id),
        outcome=from_parts(row.kind, row.body, row.fields),
        accepted_at=row.accepted_at,
        handed_to=row.handed_to,
        handed_attempt=row.handed_attempt,
        tries=row.tries,
        trouble=row.trouble,
        verdict_at=row.verdict_at,
        proof=row.proof,
    )
