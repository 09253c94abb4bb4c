"""How a callback stands, in the words of the public JSON."""

import json
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from shlex import quote
from typing import Any, Final

from ringback.core.heartbeats import HeartbeatReply
from ringback.core.status import CallbackStatus
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.link import Link, Verb
from ringback.domain.outcome import KINDS
from ringback.gateway.example import example_of

_ANY_RESULT: Final = '{"your": "result"}'
_THE_RESULT: Final = "the result, as result_schema describes it"

_EXAMPLES: Final = {
    Verb.FAIL: (
        "fail",
        '{"message": "what went wrong", "type": "Declined", "non_retryable": true}',
    ),
    Verb.HEARTBEAT: ("heartbeat", '{"progress": 0.5}'),
    Verb.CANCEL: ("cancel", '{"reason": "asked to stop"}'),
}


def to_view(seen: CallbackStatus, link: Link, url: str) -> dict[str, Any]:
    """Return what the holder of `link` may know, as JSON."""
    callback, pending = seen.callback, seen.pending
    accepted, schema = callback.accepted, seen.result_schema
    usable = _usable(seen, link)
    return {
        "callback": callback.id,
        "state": callback.state.value,
        "title": callback.options.title,
        "metadata": callback.options.metadata,
        "activity_type": callback.activity_type,
        "opened_at": _text(callback.opened_at),
        "waiting": pending is not None if seen.is_live else None,
        **_moving(seen),
        "accepted_at": None if accepted is None else _text(accepted.accepted_at),
        "outcome": None if accepted is None else KINDS[type(accepted.outcome)],
        "reason": why_ended(callback),
        "allows": sorted(verb.name.lower() for verb in usable),
        "link_expires_at": _text(link.expires_at),
        "result_schema": None if schema is None else json.loads(schema),
        "examples": _examples(usable, schema, url),
    }


def to_sign(sign: HeartbeatReply) -> dict[str, Any]:
    """Return what the sender of a heartbeat is told, as JSON."""
    return {
        "cancel_requested": sign.response.cancel_requested,
        "paused": sign.response.paused,
        "reset": sign.response.reset,
        "deadline": _text(sign.deadline_at),
    }


def etag(seen: CallbackStatus) -> str:
    """Return what changes with all that may change in the view of a callback (RFC 9110, 8.8.3)."""
    facts = [seen.callback.state.value, why_ended(seen.callback), _moving(seen)]
    return f'"{sha256(json.dumps(facts).encode()).hexdigest()[:20]}"'


def is_one_of(tag: str, known: str) -> bool:
    """Tell whether an `If-None-Match` names `tag`; compared weakly, as it is to be (RFC 9110)."""
    named = (one.strip().removeprefix("W/") for one in known.split(","))
    return any(one in {tag, "*"} for one in named)


def has_moved(before: Callback, now: Callback) -> bool:
    """Tell whether what is known of a callback is not what it was."""
    one, other = (CallbackStatus(callback, None, is_live=False) for callback in (before, now))
    return etag(one) != etag(other)


def _moving(seen: CallbackStatus) -> dict[str, Any]:
    """Return what may change while nobody answers: from Temporal if it was asked, or as known."""
    callback, pending = seen.callback, seen.pending
    if pending is None:
        return {
            "deadline": _text(callback.deadline_at),
            "cancel_requested": callback.cancel_requested_at is not None,
            "paused": callback.paused_at is not None,
        }
    live = replace(callback, attempt_timeout_at=pending.attempt_timeout_at)
    return {
        "deadline": _text(live.deadline_at),
        "cancel_requested": pending.cancel_requested,
        "paused": pending.paused,
    }


def why_ended(callback: Callback) -> str | None:
    """Return in a sentence why no answer ended the activity; `None` if one did, or still may."""
    proof = (callback.accepted.proof if callback.accepted else None) or {}
    match callback.state:
        case State.EXPIRED:
            return callback.expired_because
        case State.SUPERSEDED:
            at = f" at {proof['at']}" if "at" in proof else ""
            return f"the activity already ended ({proof.get('closed')}{at})"
        case State.PARKED:
            return "it could not be delivered; an operator must look"
        case _:
            return None


def _usable(seen: CallbackStatus, link: Link) -> frozenset[Verb]:
    """Return what `link` allows and would not be refused as the callback stands."""
    is_waiting = seen.callback.state is State.OPEN and (
        seen.pending is not None or not seen.is_live
    )
    if not is_waiting:
        return link.verbs & {Verb.VIEW}
    may_cancel = _moving(seen)["cancel_requested"]
    return link.verbs if may_cancel else link.verbs - {Verb.CANCEL}


def _examples(usable: frozenset[Verb], schema: str | None, url: str) -> dict[str, str]:
    result = example_of(schema) or (_ANY_RESULT if schema is None else _THE_RESULT)
    bodies = {Verb.COMPLETE: ("complete", result), **_EXAMPLES}
    return {
        path: f"curl -X POST '{url}/{path}' -H 'Content-Type: application/json' -d {quote(body)}"
        for verb, (path, body) in bodies.items()
        if verb in usable
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else format_instant(at)
