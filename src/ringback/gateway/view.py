"""How a callback stands, in the words of the public JSON."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from ringback.core.view import View
from ringback.domain.callback import Callback, State
from ringback.domain.link import Link, Verb

_EXAMPLES: Final = {
    Verb.COMPLETE: ("complete", '{"your": "result"}'),
    Verb.FAIL: (
        "fail",
        '{"message": "what went wrong", "type": "Declined", "non_retryable": true}',
    ),
    Verb.HEARTBEAT: ("heartbeat", '{"progress": 0.5}'),
    Verb.CANCEL: ("cancel", '{"reason": "asked to stop"}'),
}


def to_view(seen: View, link: Link, url: str) -> dict[str, Any]:
    """Return what the holder of `link` may know, as JSON."""
    callback, pending = seen.callback, seen.pending
    accepted = callback.accepted
    live = callback if pending is None else replace(callback, timeout_at=pending.timeout_at)
    return {
        "callback": callback.id,
        "state": callback.state.value,
        "activity_type": callback.activity_type,
        "opened_at": _text(callback.opened_at),
        "deadline": _text(live.deadline_at),
        "waiting": pending is not None if seen.is_live else None,
        "cancel_requested": None if pending is None else pending.cancel_requested,
        "paused": None if pending is None else pending.paused,
        "accepted_at": None if accepted is None else _text(accepted.accepted_at),
        "reason": why_ended(callback),
        "allows": sorted(verb.name.lower() for verb in link.verbs),
        "link_expires_at": _text(link.expires_at),
        "examples": _examples(link, url),
    }


def why_ended(callback: Callback) -> str | None:
    """Return in a sentence why no answer ended the activity; `None` if one did, or still may."""
    proof = (callback.accepted.proof if callback.accepted else None) or {}
    match callback.state:
        case State.EXPIRED:
            return callback.expired_because
        case State.SUPERSEDED:
            at = f" at {proof['at']}" if "at" in proof else ""
            return f"the activity's end came first ({proof.get('closed')}{at})"
        case State.PARKED:
            return "it could not be delivered; an operator must look"
        case _:
            return None


def _examples(link: Link, url: str) -> dict[str, str]:
    return {
        path: f"curl -X POST '{url}/{path}' -H 'Content-Type: application/json' -d '{body}'"
        for verb, (path, body) in _EXAMPLES.items()
        if verb in link.verbs
    }


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
