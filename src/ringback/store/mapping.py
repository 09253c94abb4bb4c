"""Turn rows into domain values, and domain values into rows."""

import json
from collections import namedtuple
from datetime import datetime
from hashlib import sha256
from operator import attrgetter
from typing import Any, Final

from ringback.domain.activity_state import HeartbeatState
from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Accepted, ActivityExecution, Callback, State
from ringback.domain.deadlines import SenderPoll
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.link import from_bits, to_bits
from ringback.domain.liveness import FIRST_POLL_AFTER, PollState, TrackedCallback
from ringback.domain.options import PLAIN_OPTIONS, CallbackOptions
from ringback.domain.outcome import (
    KINDS,
    Canceled,
    Completed,
    Failed,
    from_parts,
    to_body,
    to_fields,
)
from ringback.domain.webhook import Webhook
from ringback.store.tables import audit_trail, callbacks, outcomes
from ringback.store.unreadable import AnyRow, RowTypes

OUTCOME_COLUMNS: Final = [column for column in outcomes.c if column.name != "callback_id"]

# SQLAlchemy takes ten times as long to read a value of a row by name, and a callback has 60.
_Columns: Final[Any] = namedtuple(  # type: ignore[misc]  # - the names are those of the tables
    "_Columns", [column.name for column in (*callbacks.c, *OUTCOME_COLUMNS)]
)
_CALLBACK_TYPES: Final = RowTypes([*callbacks.c], OUTCOME_COLUMNS)
_ENTRY_TYPES: Final = RowTypes([*audit_trail.c])

#: Fields of `ActivityExecution`, `Callback` and `Accepted` that are columns of the same name.
_REF: Final = ("namespace", "workflow_id", "run_id", "activity_id", "scheduled_at")
_CALLBACK: Final = (
    *("id", "generation", "workflow_type", "activity_type", "task_queue"),
    *("attempt", "attempt_started_at", "task_token", "opened_at", "submitted_at"),
    *("attempt_timeout_at", "own_deadline_at", "schema_id", "expired_because"),
    *("key_id", "link_expires_at", "link_serial", "cancel_requested_at", "paused_at"),
    *("claimant", "ballots", "traceparent"),
)
_ACCEPTED: Final = (
    *("accepted_at", "is_default", "delivered_inline_to", "delivered_inline_attempt", "tries"),
    *("unconfirmed_attempt", "unconfirmed_started_at", "last_error", "verdict_at", "proof"),
)

_get_ref: Final = attrgetter(*_REF)
_get_callback: Final = attrgetter(*_CALLBACK)
_get_accepted: Final = attrgetter(*_ACCEPTED)
_get_options: Final = attrgetter(*PLAIN_OPTIONS)


def activity_key(ref: ActivityExecution, *, follow_reset: bool) -> str:
    """Return a digest that identifies this activity execution.

    After a workflow reset, the new run may have the same activity, scheduled at the same instant.
    A callback that follows resets is therefore identified without the run.
    """
    run_id = None if follow_reset else ref.run_id
    parts = [ref.namespace, ref.workflow_id, run_id, ref.activity_id, ref.scheduled_at.isoformat()]
    return sha256(json.dumps(parts).encode()).hexdigest()[:40]


def from_callback(callback: Callback) -> dict[str, object]:
    """Return the row of a new callback."""
    outcome = callback.options.on_deadline
    return {
        **dict(zip(_CALLBACK, _get_callback(callback), strict=True)),
        **dict(zip(_REF, _get_ref(callback.ref), strict=True)),
        **callback.options.to_plain(),
        "activity_key": activity_key(callback.ref, follow_reset=callback.options.follow_reset),
        "default_due_at": _default_due_at(callback),
        "on_deadline_kind": None if outcome is None else KINDS[type(outcome)],
        "on_deadline_body": None if outcome is None else to_body(outcome),
        "on_deadline_fields": None if outcome is None else to_fields(outcome),
        "closed_at": callback.expired_at,
        "has_bodies": True,
        "verbs": to_bits(callback.verbs),
        **_from_heartbeat_state(callback.heartbeat_state),
        **_from_sender_poll(callback),
        "poll_due_at": callback.opened_at + FIRST_POLL_AFTER,
    }


def _from_heartbeat_state(state: HeartbeatState, suffix: str = "") -> dict[str, object]:
    return {
        f"heartbeat_timeout{suffix}": state.timeout,
        f"heartbeat_details{suffix}": state.details,
        f"heartbeat_received_at{suffix}": state.heartbeat_received_at,
        f"heartbeat_sent_at{suffix}": state.heartbeat_sent_at,
        f"heartbeat_due_at{suffix}": state.heartbeat_due_at,
    }


def _from_sender_poll(callback: Callback, suffix: str = "") -> dict[str, object]:
    poll = callback.sender_poll
    return {
        f"sender_poll_due_at{suffix}": poll.due_at if callback.state is State.OPEN else None,
        f"sender_poll_requested_at{suffix}": poll.requested_at,
        f"sender_poll_is_over{suffix}": poll.is_over,
    }


def from_attempt(callback: Callback, now: datetime) -> dict[str, object]:
    """Return the parameters of `callbacks.UPDATE_ATTEMPT`."""
    return {
        "run_id_": callback.ref.run_id,
        "attempt_": callback.attempt,
        "attempt_started_at_": callback.attempt_started_at,
        "task_token_": callback.task_token,
        "heartbeat_": callback.options.heartbeat.value,
        "resume_": callback.options.resume,
        "poll_": callback.options.poll,
        "poll_every_": callback.options.poll_every,
        "heartbeat_timeout_": callback.heartbeat_state.timeout,
        "heartbeat_due_at_": callback.heartbeat_state.heartbeat_due_at,
        "poll_due_at_": now + FIRST_POLL_AFTER,
        **from_deadline(callback),
    }


def from_end(callback: Callback) -> dict[str, object]:
    """Return the parameters of `callbacks.EXPIRE`."""
    return {
        "callback_id": callback.id,
        "now": callback.expired_at,
        "reason": callback.expired_because,
    }


def from_deadline(callback: Callback) -> dict[str, object]:
    """Return the parameters of `deadlines.SET_DEADLINE`."""
    return {
        "callback_id": callback.id,
        "attempt_timeout_at_": callback.attempt_timeout_at,
        "own_deadline_at_": callback.own_deadline_at,
        "default_due_at_": _default_due_at(callback),
        **_from_sender_poll(callback, "_"),
    }


def _default_due_at(callback: Callback) -> datetime | None:
    return callback.default_due_at if callback.state is State.OPEN else None


def from_tracked(tracked: TrackedCallback) -> dict[str, object]:
    """Return the values of all columns that a statement of `update_columns` may set."""
    callback, poll_state = tracked.callback, tracked.poll_state
    return {
        **from_deadline(callback),
        **_from_heartbeat_state(callback.heartbeat_state, "_"),
        "cancel_requested_at_": callback.cancel_requested_at,
        "paused_at_": callback.paused_at,
        "poll_due_at_": poll_state.poll_due_at,
        "poll_held_until_": poll_state.poll_held_until,
        "heartbeat_held_until_": poll_state.heartbeat_held_until,
        "reset_at_": poll_state.reset_at,
    }


def to_tracked(row: AnyRow) -> TrackedCallback:
    """Return the callback of a row, with what polls and heartbeats need to know of it."""
    poll_state = PollState(
        row.poll_due_at, row.poll_held_until, row.heartbeat_held_until, row.reset_at
    )
    return TrackedCallback(to_callback(row), poll_state)


def from_webhook(webhook: Webhook) -> dict[str, object]:
    """Return the row of a webhook that is due now."""
    return {
        "id": webhook.id,
        "callback_id": webhook.callback_id,
        "url": webhook.url,
        "kind": webhook.kind.value,
        "at": webhook.at,
        "facts": webhook.facts,
        "due_at": webhook.at,
        "tries": webhook.tries,
    }


def from_entry(entry: AuditEntry) -> dict[str, object]:
    """Return the row of an entry."""
    return {
        "callback_id": entry.callback_id,
        "at": entry.at,
        "kind": entry.kind.value,
        "facts": entry.facts,
    }


def to_entry(row: AnyRow) -> AuditEntry:
    """Return the entry of a row."""
    _ENTRY_TYPES.check(row)
    return AuditEntry(CallbackId(row.callback_id), row.at, AuditKind(row.kind), row.facts)


def to_accepted_entry(row: AnyRow) -> AuditEntry:
    """Return the `accepted` entry of a row of `search.ACCEPTED`."""
    facts = to_accepted_facts(row.kind, row.outcome_id, row.is_default)
    return AuditEntry(CallbackId(row.callback_id), row.accepted_at, AuditKind.ACCEPTED, facts)


def to_accepted_facts(kind: str, outcome_id: str, is_default: bool) -> dict[str, object]:  # noqa: FBT001 - a column
    """Return the facts of an `accepted` entry."""
    facts: dict[str, object] = {"kind": kind, "outcome": outcome_id}
    return {**facts, "by": "deadline"} if is_default else facts


def to_callback(row: AnyRow) -> Callback:
    """Return the callback of a row of `queries.CALLBACKS`.

    Any error is about this row alone: read rows with `unreadable.read_rows`.
    """
    _CALLBACK_TYPES.check(row)
    return _to_callback(_Columns._make(row))


def _to_callback(row: Any) -> Callback:
    return Callback(
        **dict(zip(_CALLBACK, _get_callback(row), strict=True)),
        ref=ActivityExecution(*_get_ref(row)),
        state=_state(row),
        expired_at=None if row.expired_because is None else row.closed_at,
        verbs=from_bits(row.verbs),
        options=_options(row),
        heartbeat_state=HeartbeatState(
            row.heartbeat_timeout,
            row.heartbeat_details,
            row.heartbeat_received_at,
            row.heartbeat_sent_at,
            row.heartbeat_due_at,
        ),
        sender_poll=SenderPoll(
            row.sender_poll_due_at, row.sender_poll_requested_at, row.sender_poll_is_over
        ),
        accepted=_accepted(row),
    )


def _options(row: AnyRow) -> CallbackOptions:
    for name in ("tags", "aliases"):
        if not all(isinstance(text, str) for text in getattr(row, name)):
            msg = f"the column {name} contains a value that is not text"
            raise ValueError(msg)
    plain = zip(PLAIN_OPTIONS, _get_options(row), strict=True)
    return CallbackOptions.from_plain(dict(plain), _on_deadline(row))


def _state(row: AnyRow) -> State:
    if row.state is not None:
        return State(row.state)
    return State.OPEN if row.expired_because is None else State.EXPIRED


def _on_deadline(row: AnyRow) -> Completed | Failed | None:
    if row.on_deadline_kind is None:
        return None
    outcome = from_parts(row.on_deadline_kind, row.on_deadline_body, row.on_deadline_fields)
    assert not isinstance(outcome, Canceled), "a default answer is never a cancellation"
    return outcome


def _accepted(row: AnyRow) -> Accepted | None:
    if row.outcome_id is None:
        return None
    return Accepted(
        id=OutcomeId(row.outcome_id),
        outcome=from_parts(row.kind, row.body, row.fields),
        **dict(zip(_ACCEPTED, _get_accepted(row), strict=True)),
    )
