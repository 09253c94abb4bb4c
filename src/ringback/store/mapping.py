"""Rows, and the domain's values that they stand for."""

import json
from collections import namedtuple
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import Any, Final

from ringback.domain.callback import Accepted, ActivityExecution, Callback, State
from ringback.domain.event import Event, EventKind
from ringback.domain.heartbeat_state import HeartbeatState
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.link import from_bits, to_bits
from ringback.domain.liveness import FIRST_POLL_AFTER
from ringback.domain.options import PLAIN_OPTIONS, CallbackOptions
from ringback.domain.outcome import (
    KINDS,
    Canceled,
    Completed,
    Failed,
    Outcome,
    from_parts,
    to_body,
    to_fields,
)
from ringback.domain.terms import Terms
from ringback.store.tables import callbacks, events, outcomes
from ringback.store.unreadable import AnyRow, RowTypes

OUTCOME_COLUMNS: Final = [column for column in outcomes.c if column.name != "callback_id"]

# To read a value of SQLAlchemy's row by its name takes ten times as long, and a callback has 60.
_Columns: Final[Any] = namedtuple(  # type: ignore[misc]  # - the names are those of the tables
    "_Columns", [column.name for column in (*callbacks.c, *OUTCOME_COLUMNS)]
)
_CALLBACK_TYPES: Final = RowTypes([*callbacks.c], OUTCOME_COLUMNS)
_EVENT_TYPES: Final = RowTypes([*events.c])

#: The columns that have the names of the options.
_get_options: Final = attrgetter(*PLAIN_OPTIONS)


def activity_key(ref: ActivityExecution, *, follow_reset: bool) -> str:
    """Return a digest that only this activity execution has.

    A reset of the workflow that keeps the event which scheduled the activity makes a run that has
    the same activity, scheduled at the same instant: what follows it goes by all but the run.
    """
    run_id = None if follow_reset else ref.run_id
    parts = [ref.namespace, ref.workflow_id, run_id, ref.activity_id, ref.scheduled_at.isoformat()]
    return sha256(json.dumps(parts).encode()).hexdigest()[:40]


def from_callback(callback: Callback) -> dict[str, object]:
    """Return the whole row of a callback."""
    ref = callback.ref
    return {
        "id": callback.id,
        "activity_key": activity_key(ref, follow_reset=callback.options.follow_reset),
        "generation": callback.generation,
        "namespace": ref.namespace,
        "workflow_id": ref.workflow_id,
        "run_id": ref.run_id,
        "activity_id": ref.activity_id,
        "scheduled_at": ref.scheduled_at,
        "workflow_type": callback.workflow_type,
        "activity_type": callback.activity_type,
        "task_queue": callback.task_queue,
        "attempt": callback.attempt,
        "attempt_started_at": callback.attempt_started_at,
        "task_token": callback.task_token,
        "opened_at": callback.opened_at,
        "submitted_at": callback.submitted_at,
        "attempt_timeout_at": callback.attempt_timeout_at,
        "own_deadline_at": callback.own_deadline_at,
        "default_due_at": _default_due_at(callback),
        **callback.options.to_plain(),
        **_from_default(callback.options.on_deadline),
        "schema_id": callback.schema_id,
        "closed_at": callback.expired_at,
        "expired_because": callback.expired_because,
        "verbs": to_bits(callback.verbs),
        "key_id": callback.key_id,
        "link_expires_at": callback.link_expires_at,
        "link_serial": callback.link_serial,
        **_from_vitals(callback.heartbeat_state),
        "poll_due_at": callback.opened_at + FIRST_POLL_AFTER,
        "cancel_requested_at": callback.cancel_requested_at,
        "paused_at": callback.paused_at,
    }


def _from_vitals(heartbeat_state: HeartbeatState) -> dict[str, object]:
    return {
        "heartbeat_timeout": heartbeat_state.timeout,
        "details": heartbeat_state.details,
        "heartbeat_received_at": heartbeat_state.heartbeat_received_at,
        "heartbeat_sent_at": heartbeat_state.heartbeat_sent_at,
        "heartbeat_due_at": heartbeat_state.heartbeat_due_at,
    }


def _from_default(outcome: Completed | Failed | None) -> dict[str, object]:
    return {
        "on_deadline_kind": None if outcome is None else KINDS[type(outcome)],
        "on_deadline_body": None if outcome is None else to_body(outcome),
        "on_deadline_fields": None if outcome is None else to_fields(outcome),
    }


def from_attempt(callback: Callback, now: datetime) -> dict[str, object]:
    """Return what a later attempt, that asks now, changes in the row of a callback."""
    return {
        "callback_id": callback.id,
        "run_id_": callback.ref.run_id,
        "attempt_": callback.attempt,
        "attempt_started_at_": callback.attempt_started_at,
        "task_token_": callback.task_token,
        "heartbeat_": callback.options.heartbeat.value,
        "heartbeat_timeout_": callback.heartbeat_state.timeout,
        "heartbeat_due_at_": callback.heartbeat_state.heartbeat_due_at,
        "poll_due_at_": now + FIRST_POLL_AFTER,
        **from_deadline(callback),
    }


def from_end(callback: Callback) -> dict[str, object]:
    """Return what the row of a callback has of its having expired."""
    return {
        "callback_id": callback.id,
        "now": callback.expired_at,
        "reason": callback.expired_because,
    }


def from_deadline(callback: Callback) -> dict[str, object]:
    """Return what the row of a callback has of its deadline."""
    return {
        "callback_id": callback.id,
        "attempt_timeout_at_": callback.attempt_timeout_at,
        "own_deadline_at_": callback.own_deadline_at,
        "default_due_at_": _default_due_at(callback),
    }


def _default_due_at(callback: Callback) -> datetime | None:
    return callback.default_due_at if callback.state is State.OPEN else None


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
    _EVENT_TYPES.check(row)
    return Event(CallbackId(row.callback_id), row.at, EventKind(row.kind), row.facts)


def to_accepted_event(row: AnyRow) -> Event:
    """Return the event that an outcome was accepted, of a row of `search.ACCEPTED`."""
    facts = to_accepted_facts(row.kind, row.outcome_id, row.is_default)
    return Event(CallbackId(row.callback_id), row.accepted_at, EventKind.ACCEPTED, facts)


def to_accepted_facts(kind: str, outcome_id: str, is_default: bool) -> dict[str, object]:  # noqa: FBT001 - a column
    """Return what the audit trail tells of an outcome that was accepted."""
    facts: dict[str, object] = {"kind": kind, "outcome": outcome_id}
    return {**facts, "by": "deadline"} if is_default else facts


def to_callback(row: AnyRow) -> Callback:
    """Return the callback of a row of `callbacks` joined with its outcome, if it has one.

    Whatever it raises is about this row alone: read rows by `unreadable.read_rows`.
    """
    _CALLBACK_TYPES.check(row)
    return _to_callback(_Columns._make(row))


def _to_callback(row: Any) -> Callback:
    return Callback(
        id=CallbackId(row.id),
        ref=ActivityExecution(
            row.namespace, row.workflow_id, row.run_id, row.activity_id, row.scheduled_at
        ),
        generation=row.generation,
        state=_state(row),
        workflow_type=row.workflow_type,
        activity_type=row.activity_type,
        task_queue=row.task_queue,
        attempt=row.attempt,
        attempt_started_at=row.attempt_started_at,
        task_token=row.task_token,
        opened_at=row.opened_at,
        submitted_at=row.submitted_at,
        attempt_timeout_at=row.attempt_timeout_at,
        own_deadline_at=row.own_deadline_at,
        schema_id=row.schema_id,
        expired_at=None if row.expired_because is None else row.closed_at,
        expired_because=row.expired_because,
        verbs=from_bits(row.verbs),
        key_id=row.key_id,
        link_expires_at=row.link_expires_at,
        link_serial=row.link_serial,
        options=_options(row),
        heartbeat_state=_vitals(row),
        cancel_requested_at=row.cancel_requested_at,
        paused_at=row.paused_at,
        accepted=_accepted(row),
    )


def to_terms(values: Sequence[Any]) -> Terms:
    """Return the terms of what `answers._TERMS` has of a callback."""
    return Terms(*values)


def _options(row: AnyRow) -> CallbackOptions:
    if not all(isinstance(tag, str) for tag in row.tags):
        msg = "the column tags holds something else than texts"
        raise ValueError(msg)
    plain = zip(PLAIN_OPTIONS, _get_options(row), strict=True)
    return CallbackOptions.from_plain(dict(plain), _on_deadline(row))


def _vitals(row: AnyRow) -> HeartbeatState:
    return HeartbeatState(
        row.heartbeat_timeout,
        row.details,
        row.heartbeat_received_at,
        row.heartbeat_sent_at,
        row.heartbeat_due_at,
    )


def _state(row: AnyRow) -> State:
    if row.state is not None:
        return State(row.state)
    return State.OPEN if row.expired_because is None else State.EXPIRED


def _on_deadline(row: AnyRow) -> Completed | Failed | None:
    if row.on_deadline_kind is None:
        return None
    outcome: Outcome = from_parts(
        row.on_deadline_kind, row.on_deadline_body, row.on_deadline_fields
    )
    assert not isinstance(outcome, Canceled), "no default answer reports a cancellation"
    return outcome


def _accepted(row: AnyRow) -> Accepted | None:
    if row.outcome_id is None:
        return None
    return Accepted(
        id=OutcomeId(row.outcome_id),
        outcome=from_parts(row.kind, row.body, row.fields),
        accepted_at=row.accepted_at,
        is_default=row.is_default,
        delivered_inline_to=row.delivered_inline_to,
        delivered_inline_attempt=row.delivered_inline_attempt,
        tries=row.tries,
        unconfirmed_attempt=row.unconfirmed_attempt,
        unconfirmed_started_at=row.unconfirmed_started_at,
        last_error=row.last_error,
        verdict_at=row.verdict_at,
        proof=row.proof,
    )
