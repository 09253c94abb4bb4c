"""Callbacks and events as lines for people."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ringback.cli.listing import Fields, Record, print_list, printable
from ringback.domain.durations import format_instant
from ringback.schemas.responses import CallbackOut, EventOut, ShownOut


def print_callbacks(found: Sequence[CallbackOut], *, now: datetime) -> None:
    """Print a record for each callback; with titles, if one has a title."""
    titles = ["title"] if any(callback.title for callback in found) else []
    names = ["callback", "state", *titles, "activity", "workflow", "attempt", "opened", "deadline"]
    narrow = ["waits for", "workflow", "state", "opened", "deadline"]
    fields = Fields(names, minor=frozenset({"activity", "attempt"}), narrow=narrow)
    print_list(fields, [_to_record(callback) for callback in found], now=now)


def _to_record(callback: CallbackOut) -> Record:
    return {
        "callback": callback.id,
        "state": callback.state,
        "title": callback.title,
        "waits for": callback.title or callback.activity_type,
        "activity": callback.activity_type,
        "workflow": callback.workflow_id,
        "attempt": str(callback.attempt),
        "opened": callback.opened_at,
        "deadline": callback.deadline_at,
    }


def lines_of(callback: ShownOut) -> list[str]:
    """Return a line for each fact that is known of one callback."""
    facts = callback.model_dump(mode="json")
    for inner in ("heartbeat", "outcome"):
        facts |= {f"{inner} {name}": value for name, value in (facts.pop(inner) or {}).items()}
    known = {
        name.replace("_", " "): printable(_plain(value))
        for name, value in facts.items()
        if value is not None and value not in ({}, [])
    }
    width = max(map(len, known))
    return [f"{name:<{width}}  {value}" for name, value in known.items()]


def line_of(event: EventOut) -> str:
    """Return what happened as one line that steers no terminal."""
    return printable(
        f"{format_instant(event.at.replace(microsecond=0))}  {event.kind}  {_facts(event)}".rstrip()
    )


def _plain(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _facts(event: EventOut) -> str:
    return ", ".join(f"{name}: {value}" for name, value in event.facts.items())
