"""Callbacks and events as JSON for programs, and as tables for people."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from ringback.core.shown import shown_callback, shown_event
from ringback.domain.callback import Callback
from ringback.domain.event import Event


def to_json(callback: Callback) -> dict[str, Any]:
    """Return a callback as plain JSON, without its link and without what was answered or said."""
    about = callback.about
    shown = {**shown_callback(callback), "cancel_url": about.cancel_url}
    return _to_plain({**shown, "notify_url": about.notify_url})


def event_to_json(event: Event) -> dict[str, Any]:
    """Return an event as plain JSON, without what was answered."""
    return _to_plain(shown_event(event))


def table_of(found: Sequence[Callback]) -> Table:
    """Return a table with a row for each callback; with titles, if one has a title."""
    has_titles = any(callback.about.title for callback in found)
    titles = ["title"] if has_titles else []
    names = ["state", *titles, "activity", "workflow", "attempt", "opened", "deadline"]
    table = Table(Column("callback", no_wrap=True), *names)
    for callback in found:
        cells = _cells(callback)
        add_row(table, *(cells[name] for name in ["callback", *names]))
    return table


def _cells(callback: Callback) -> dict[str, str]:
    return {
        "callback": callback.id,
        "state": callback.state.value,
        "title": callback.about.title or "",
        "activity": callback.activity_type,
        "workflow": callback.ref.workflow_id,
        "attempt": str(callback.attempt),
        "opened": _short(callback.opened_at),
        "deadline": _short(callback.deadline_at),
    }


def details_of(callback: Callback) -> Table:
    """Return a table of all that is known of one callback."""
    table = Table(show_header=False, box=None)
    facts = to_json(callback)
    for inner in ("heartbeat", "outcome"):
        facts |= {f"{inner} {name}": value for name, value in (facts.pop(inner) or {}).items()}
    for name, value in facts.items():
        if value is not None and value not in ({}, []):
            add_row(table, name.replace("_", " "), _plain(value))
    return table


def trail_of(events: Sequence[Event]) -> Table:
    """Return a table of what happened."""
    table = Table("when", "what", "facts")
    for event in events:
        add_row(table, event.at.isoformat(), event.kind.value, _facts(event))
    return table


def line_of(event: Event) -> str:
    """Return what happened as one line that steers no terminal."""
    return printable(f"{_short(event.at)}  {event.kind.value}  {_facts(event)}".rstrip())


def add_row(table: Table, *cells: str) -> None:
    """Add cells as they are: what others wrote must not steer the reader's terminal."""
    table.add_row(*(Text(printable(cell)) for cell in cells))


def printable(text: str) -> str:
    """Return `text` with a mark in the place of each sign that is not for reading."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def _to_plain(shown: dict[str, Any]) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(shown, default=datetime.isoformat))
    return plain


def _plain(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _facts(event: Event) -> str:
    facts = shown_event(event)["facts"]
    return ", ".join(f"{name}: {value}" for name, value in facts.items())


def _short(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(sep=" ", timespec="seconds")
