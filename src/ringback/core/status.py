"""Status: what the holder of a link, and what an operator, can see of a callback."""

from dataclasses import dataclass
from typing import Any, Final

from ringback.core.receipt import find_reached
from ringback.domain.activity_state import Pending
from ringback.domain.audit import AuditEntry
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import (
    RefusedByTemporalError,
    TemporalUnreachableError,
)
from ringback.domain.ids import CallbackId
from ringback.domain.options import SHOWN_OPTIONS
from ringback.domain.outcome import KINDS, to_fields
from ringback.domain.vote import Vote
from ringback.domain.vote_body import to_sent_schema
from ringback.ports.activities import Activities
from ringback.ports.store import CallbackStore


@dataclass(frozen=True, slots=True)
class CallbackStatus:
    """A callback, with the current state of its activity.

    Attributes:
        callback: The callback.
        pending: The activity's pending state.
        is_live: Whether Temporal replied; if not, `pending` is `None` and means nothing.
        result_schema: The JSON Schema of what a sender sends to an open callback, as text, if it
            has one.
    """

    callback: Callback
    pending: Pending | None
    is_live: bool
    result_schema: str | None = None


class StatusService:
    """Reads callbacks and their activities, and changes nothing."""

    def __init__(self, store: CallbackStore, activities: Activities) -> None:
        """Read callbacks from `store` and pending states from `activities`."""
        self._store = store
        self._activities = activities

    async def view(self, callback_id: CallbackId, *, serial: int | None = None) -> CallbackStatus:
        """Return a callback, with the pending state of its activity if it is open.

        Args:
            callback_id: The callback.
            serial: The serial of the viewer's link, if there is one.

        Raises:
            UnknownCallbackError: The callback does not exist, or the link was revoked.
            DeletedCallbackError: The callback of the link was deleted.
        """
        callback = find_reached((await self._store.find([callback_id])).get(callback_id), serial)
        if callback.state is not State.OPEN:
            return CallbackStatus(callback, None, is_live=False)
        schema = await self._result_schema(callback)
        try:
            (pending,) = await self._activities.poll([callback.ref])
        except (TemporalUnreachableError, RefusedByTemporalError):
            return CallbackStatus(callback, None, is_live=False, result_schema=schema)
        return CallbackStatus(callback, pending, is_live=True, result_schema=schema)

    async def _result_schema(self, callback: Callback) -> str | None:
        schema_id = callback.schema_id
        schema = None if schema_id is None else (await self._store.schemas([schema_id]))[schema_id]
        return to_sent_schema(callback.options.policy, schema)


_PAYLOADS: Final = frozenset({"body", "details"})
"""Facts with payloads, which are never shown."""


def serialize_callback(callback: Callback) -> dict[str, Any]:
    """Return `callback` as plain JSON, except for times; durations are in seconds."""
    ref, options, accepted = callback.ref, callback.options.to_plain(), callback.accepted
    return {
        "id": callback.id,
        "state": callback.state.value,
        **{name: options[name] for name in SHOWN_OPTIONS},
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
        "cancel_requested_at": callback.cancel_requested_at,
        "cancel_due_at": callback.cancel_due_at,
        "paused_at": callback.paused_at,
        "heartbeat": _serialize_heartbeat(callback),
        "poll": _serialize_poll(callback),
        "digest": callback.subject.digest,
        "claimant": callback.claimant,
        "ballots": dict(callback.ballots),
        "link_expires_at": callback.link_expires_at,
        "expired_at": callback.expired_at,
        "expired_because": callback.expired_because,
        "outcome": None if accepted is None else _serialize_outcome(accepted),
    }


def serialize_vote(vote: Vote) -> dict[str, Any]:
    """Return a vote as plain JSON, except for its time; the form is left out."""
    return {
        "by": vote.user,
        "approved": vote.approved,
        "reason": vote.reason,
        "proof": vote.proof.value,
        "via": vote.via,
        "digest": vote.digest,
        "at": vote.at,
    }


def serialize_entry(entry: AuditEntry) -> dict[str, Any]:
    """Return an entry as plain JSON, except for its time, without payloads."""
    facts = {name: fact for name, fact in entry.facts.items() if name not in _PAYLOADS}
    return {"at": entry.at, "kind": entry.kind.value, "facts": facts}


def _serialize_heartbeat(callback: Callback) -> dict[str, Any]:
    heartbeat_state = callback.heartbeat_state
    timeout = heartbeat_state.timeout
    return {
        "by": callback.options.heartbeat.value,
        "timeout": None if timeout is None else timeout.total_seconds(),
        "heartbeat_received_at": heartbeat_state.heartbeat_received_at,
        "heartbeat_sent_at": heartbeat_state.heartbeat_sent_at,
        "heartbeat_due_at": heartbeat_state.heartbeat_due_at,
    }


def _serialize_poll(callback: Callback) -> dict[str, Any] | None:
    if not callback.options.poll:
        return None
    every, poll = callback.options.poll_every, callback.sender_poll
    return {
        "every": None if every is None else every.total_seconds(),
        "due_at": poll.due_at,
        "requested_at": poll.requested_at,
        "is_over": poll.is_over,
    }


def _serialize_outcome(accepted: Accepted) -> dict[str, Any]:
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
