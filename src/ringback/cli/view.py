"""Callbacks and events as tables and lines for people."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rich.table import Column, Table
from rich.text import Text

from ringback.schemas.responses import CallbackOut, EventOut, ShownOut


def table_of(found: Sequence[CallbackOut]) -> Table:
    """Return a table with a row for each callback; with titles, if one has a title."""
    has_titles = any(callback.title for callback in found)
    titles = ["title"] if has_titles else []
    names = ["state", *titles, "activity", "workflow", "attempt", "opened", "deadline"]
    table = Table(Column("callback", no_wrap=True), *names)
    for callback in found:
        cells = _cells(callback)
        add_row(table, *(cells[name] for name in ["callback", *names]))
    return table


def _cells(callback: CallbackOut) -> dict[str, str]:
    return {
        "callback": callback.id,
        "state": callback.state,
        "title": callback.title or "",
        "activity": callback.activity_type,
        "workflow": callback.workflow_id,
        "attempt": str(callback.attempt),
        "opened": _short(callback.opened_at),
        "deadline": _short(callback.deadline_at),
    }


def details_of(callback: ShownOut) -> Table:
    """Return a table of everything that is known of one callback."""
    table = Table(show_header=False, box=None)
    facts = callback.model_dump(mode="json")
    for inner in ("heartbeat", "outcome"):
        facts |= {f"{inner} {name}": value for name, value in (facts.pop(inner) or {}).items()}
    for name, value in facts.items():
        if value is not None and value not in ({}, []):
            add_row(table, name.replace("_", " "), _plain(value))
    return table


def trail_of(events: Sequence[EventOut]) -> Table:
    """Return a table of what happened."""
    table = Table("when", "what", "facts")
    for event in events:
        add_row(table, event.at.isoformat(), event.kind, _facts(event))
    return table


def line_of(event: EventOut) -> str:
    """Return what happened as one line that steers no terminal."""
    return printable(f"{_short(event.at)}  {event.kind}  {_facts(event)}".rstrip())


def add_row(table: Table, *cells: str) -> None:
    """Add cells as they are: what others wrote must not steer the reader's terminal."""
    table.add_row(*(Text(printable(cell)) for cell in cells))


def printable(text: str) -> str:
    """Return `text` with a mark in the place of each character that cannot be printed."""
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def _plain(value: Any) -> str:
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _facts(event: EventOut) -> str:
    return ", ".join(f"{name}: {value}" for name, value in event.facts.items())


def _short(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(sep=" ", timespec="seconds")
