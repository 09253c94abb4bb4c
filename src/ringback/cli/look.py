"""Commands that look at what waits, and at what became of it."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from ringback.app.program import run
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.errors import UnknownCallbackError
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import KINDS, to_fields
from ringback.settings import load_settings

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def list_callbacks(
    state: Annotated[
        list[State] | None, typer.Option(help="Only these; without it, what has not ended.")
    ] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only open ones whose deadline has passed.")
    ] = False,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List callbacks: what waits, for whom, and since when."""
    states = frozenset(state or [State.OPEN, State.ACCEPTED, State.PARKED])
    found = run(_overdue(limit) if overdue else _page(states, limit))
    if as_json:
        print(json.dumps([to_json(callback) for callback in found]))
        return
    console = Console()
    console.print(_table(found) if found else "no callbacks")
    if len(found) == limit:
        console.print(f"the first {limit}; for more: --limit")


def show(
    callback_id: Annotated[str, typer.Argument(help="cb_…", metavar="CALLBACK")],
    as_json: AsJson = False,
) -> None:
    """Show one callback: how it stands, what proves it, and what happened to it."""
    callback, events = run(_find(CallbackId(callback_id)))
    if as_json:
        happened = [_event_to_json(event) for event in events]
        print(json.dumps({**to_json(callback), "events": happened}))
        return
    console = Console()
    console.print(_details(callback))
    console.print(_trail(events))


async def _page(states: frozenset[State], limit: int) -> Sequence[Callback]:
    async with opened_store(load_settings(), SystemClock()) as store:
        return await store.page(states=states, after=None, limit=limit)


async def _overdue(limit: int) -> Sequence[Callback]:
    async with opened_store(load_settings(), SystemClock()) as store:
        return await store.overdue(limit=limit)


async def _find(callback_id: CallbackId) -> tuple[Callback, Sequence[Event]]:
    async with opened_store(load_settings(), SystemClock()) as store:
        callback = (await store.find([callback_id])).get(callback_id)
        if callback is None:
            msg = f"there is no callback {callback_id}; see: ringback list"
            raise UnknownCallbackError(msg)
        return callback, await store.events(callback_id)


def to_json(callback: Callback) -> dict[str, Any]:
    """Return a callback as plain JSON, without its link and its answer's body."""
    ref = callback.ref
    return {
        "id": callback.id,
        "state": callback.state.value,
        "namespace": ref.namespace,
        "workflow_id": ref.workflow_id,
        "run_id": ref.run_id,
        "activity_id": ref.activity_id,
        "workflow_type": callback.workflow_type,
        "activity_type": callback.activity_type,
        "task_queue": callback.task_queue,
        "round": callback.round,
        "attempt": callback.attempt,
        "opened_at": _iso(callback.opened_at),
        "submitted_at": _iso(callback.submitted_at),
        "deadline_at": _iso(callback.deadline_at),
        "default_due_at": _iso(callback.default_due_at),
        "attempts": callback.attempts.value,
        "expired_because": callback.expired_because,
        "outcome": None if callback.accepted is None else _outcome_to_json(callback.accepted),
    }


def _outcome_to_json(accepted: Accepted) -> dict[str, Any]:
    return {
        "id": accepted.id,
        "kind": KINDS[type(accepted.outcome)],
        **to_fields(accepted.outcome),
        "accepted_at": _iso(accepted.accepted_at),
        "is_default": accepted.is_default,
        "tries": accepted.tries,
        "trouble": accepted.trouble,
        "verdict_at": _iso(accepted.verdict_at),
        "proof": accepted.proof,
    }


def _event_to_json(event: Event) -> dict[str, Any]:
    return {"at": _iso(event.at), "kind": event.kind.value, "facts": event.facts}


def _table(found: Sequence[Callback]) -> Table:
    table = Table(
        Column("callback", no_wrap=True),
        "state",
        "activity",
        "workflow",
        "attempt",
        "opened",
        "deadline",
    )
    for callback in found:
        _add_row(
            table,
            callback.id,
            callback.state.value,
            callback.activity_type,
            callback.ref.workflow_id,
            str(callback.attempt),
            _short(callback.opened_at),
            _short(callback.deadline_at),
        )
    return table


def _details(callback: Callback) -> Table:
    table = Table(show_header=False, box=None)
    facts = to_json(callback)
    outcome = facts.pop("outcome") or {}
    facts |= {f"outcome {name}": value for name, value in outcome.items()}
    for name, value in facts.items():
        if value is not None:
            _add_row(table, name.replace("_", " "), str(value))
    return table


def _trail(events: Sequence[Event]) -> Table:
    table = Table("when", "what", "facts")
    for event in events:
        facts = ", ".join(f"{name}: {value}" for name, value in event.facts.items())
        _add_row(table, event.at.isoformat(), event.kind.value, facts)
    return table


def _add_row(table: Table, *cells: str) -> None:
    """Add cells as they are: what others wrote must not steer the reader's terminal."""
    table.add_row(*(Text(_printable(cell)) for cell in cells))


def _printable(cell: str) -> str:
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in cell)


def _iso(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()


def _short(at: datetime | None) -> str:
    return "" if at is None else at.isoformat(sep=" ", timespec="seconds")
