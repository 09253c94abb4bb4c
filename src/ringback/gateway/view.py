"""The state of a callback as the holder of a link sees it."""

import json
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from shlex import quote
from typing import Any, Final

from ringback.core.status import CallbackStatus
from ringback.domain.callback import Callback, State
from ringback.domain.durations import format_instant
from ringback.domain.ending import why_ended
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
    """Return a callback without its answer, as JSON, with what `link` allows now."""
    callback, pending = seen.callback, seen.pending
    accepted, schema = callback.accepted, seen.result_schema
    usable = _usable(seen, link)
    return {
        "callback": callback.id,
        "state": callback.state.value,
        "title": callback.options.title,
        "description": callback.options.description,
        "details": callback.options.details,
        "digest": callback.subject.digest,
        "metadata": callback.options.metadata,
        "activity_type": callback.activity_type,
        "opened_at": _text(callback.opened_at),
        "waiting": pending is not None if seen.is_live else None,
        **_to_changing(seen),
        "accepted_at": None if accepted is None else _text(accepted.accepted_at),
        "outcome": None if accepted is None else KINDS[type(accepted.outcome)],
        "reason": why_ended(callback),
        "allows": sorted(verb.name.lower() for verb in usable),
        "link_expires_at": _text(link.expires_at),
        "result_schema": None if schema is None else json.loads(schema),
        "examples": _examples(usable, _with_form(callback, schema), url),
    }


def etag(seen: CallbackStatus) -> str:
    """Return the entity tag of a view (RFC 9110, 8.8.3); it changes when the view does."""
    callback = seen.callback
    stored = [callback.state.value, why_ended(callback), callback.subject.digest]
    facts = [*stored, _to_changing(seen)]
    return f'"{sha256(json.dumps(facts).encode()).hexdigest()[:20]}"'


def is_one_of(tag: str, known: str) -> bool:
    """Return whether an `If-None-Match` contains `tag`, by the weak comparison of RFC 9110."""
    named = (one.strip().removeprefix("W/") for one in known.split(","))
    return any(one in {tag, "*"} for one in named)


def has_changed(before: Callback, now: Callback) -> bool:
    """Return whether the views of two versions of a callback differ."""
    return etag(_as_stored(before)) != etag(_as_stored(now))


def is_ahead(seen: CallbackStatus) -> bool:
    """Return whether a view shows what Temporal said and the store does not know yet."""
    return etag(seen) != etag(_as_stored(seen.callback))


def _as_stored(callback: Callback) -> CallbackStatus:
    return CallbackStatus(callback, None, is_live=False)


def _to_changing(seen: CallbackStatus) -> dict[str, Any]:
    """Return what can change without an answer: from Temporal if it was asked, or as stored."""
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


def _usable(seen: CallbackStatus, link: Link) -> frozenset[Verb]:
    """Return the verbs of `link` that the state of the callback allows."""
    is_waiting = seen.callback.state is State.OPEN and (
        seen.pending is not None or not seen.is_live
    )
    if not is_waiting:
        return link.verbs & {Verb.VIEW}
    may_cancel = _to_changing(seen)["cancel_requested"]
    return link.verbs if may_cancel else link.verbs - {Verb.CANCEL}


def _with_form(callback: Callback, schema: str | None) -> str | None:
    """Return the schema of a sent decision that approves: a yes needs the form, if there is one."""
    policy = callback.options.policy
    if schema is None or policy is None or not policy.is_decision:
        return schema
    vote = json.loads(schema)
    needed = ["form"] if "form" in vote["properties"] else []
    return json.dumps({**vote, "required": [*vote["required"], *needed]})


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
