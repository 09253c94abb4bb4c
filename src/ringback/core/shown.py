"""Shown: what of a callback and its events may be told to who looks, in every place by one name.

Never a task token, a link, or what was answered or said: those are for the activity and the store.
"""

from typing import Any, Final

from ringback.domain.callback import Accepted, Callback
from ringback.domain.event import Event
from ringback.domain.outcome import KINDS, to_fields

_PAYLOADS: Final = frozenset({"body", "details"})
"""Facts that hold what somebody answered; they stay in the store."""


def shown_callback(callback: Callback) -> dict[str, Any]:
    """Return what is told of `callback`: plain JSON but for instants, durations in seconds."""
    ref, options, accepted = callback.ref, callback.options, callback.accepted
    return {
        "id": callback.id,
        "state": callback.state.value,
        "title": options.title,
        "tags": list(options.tags),
        "namespace": ref.namespace,
        "workflow_id": ref.workflow_id,
        "run_id": ref.run_id,
        "activity_id": ref.activity_id,
        "workflow_type": callback.workflow_type,
        "activity_type": callback.activity_type,
        "task_queue": callback.task_queue,
        "generation": callback.generation,
        "attempt": callback.attempt,
        "opened_at": callback.opened_at,
        "submitted_at": callback.submitted_at,
        "deadline_at": callback.deadline_at,
        "default_due_at": callback.default_due_at,
        "attempts": options.attempts.value,
        "cancel_requested_at": callback.cancel_requested_at,
        "cancel_due_at": callback.cancel_due_at,
        "paused_at": callback.paused_at,
        "heartbeat": _shown_heartbeat(callback),
        "metadata": options.metadata,
        "link_expires_at": callback.link_expires_at,
        "expired_at": callback.expired_at,
        "expired_because": callback.expired_because,
        "outcome": None if accepted is None else _shown_outcome(accepted),
    }


def shown_event(event: Event) -> dict[str, Any]:
    """Return what is told of `event`: plain JSON but for its instant."""
    facts = {name: fact for name, fact in event.facts.items() if name not in _PAYLOADS}
    return {"at": event.at, "kind": event.kind.value, "facts": facts}


def _shown_heartbeat(callback: Callback) -> dict[str, Any]:
    heartbeat_state = callback.heartbeat_state
    timeout = heartbeat_state.timeout
    return {
        "by": callback.options.heartbeat.value,
        "timeout": None if timeout is None else timeout.total_seconds(),
        "heartbeat_received_at": heartbeat_state.heartbeat_received_at,
        "heartbeat_sent_at": heartbeat_state.heartbeat_sent_at,
        "heartbeat_due_at": heartbeat_state.heartbeat_due_at,
    }


def _shown_outcome(accepted: Accepted) -> dict[str, Any]:
    return {
        "id": accepted.id,
        "kind": KINDS[type(accepted.outcome)],
        **to_fields(accepted.outcome),
        "accepted_at": accepted.accepted_at,
        "is_default": accepted.is_default,
        "tries": accepted.tries,
        "last_error": accepted.last_error,
        "verdict_at": accepted.verdict_at,
        "proof": accepted.proof,
    }
