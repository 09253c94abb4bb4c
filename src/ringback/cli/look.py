"""Commands that look at what waits, and at what became of it."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Annotated, Final

import typer
from rich.console import Console

from ringback.app.program import run
from ringback.app.stores import existing_store
from ringback.app.system import SystemClock
from ringback.cli.given import AsJson, to_duration
from ringback.cli.naming import CallbackArgument, to_callback_id
from ringback.cli.view import details_of, event_to_json, line_of, table_of, to_json, trail_of
from ringback.core.operate import get_callback
from ringback.domain.callback import MOVES, Callback, State
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.domain.query import NOT_ENDED, Query
from ringback.settings import load_settings
from ringback.store.sql_store import SqlStore

_LOOK_AGAIN: Final = timedelta(milliseconds=500)


def list_callbacks(
    state: Annotated[
        list[State] | None, typer.Option(help="Only these; without it, what has not ended.")
    ] = None,
    workflow_id: Annotated[str | None, typer.Option(help="Only of this workflow.")] = None,
    workflow_type: Annotated[str | None, typer.Option(help="Only of this workflow type.")] = None,
    activity_type: Annotated[str | None, typer.Option(help="Only of this activity type.")] = None,
    tag: Annotated[str | None, typer.Option(help="Only with this tag.")] = None,
    older_than: Annotated[
        timedelta | None,
        typer.Option(parser=to_duration, metavar="DURATION", help="Opened so long ago, or longer."),
    ] = None,
    newer_than: Annotated[
        timedelta | None,
        typer.Option(parser=to_duration, metavar="DURATION", help="Opened within so long."),
    ] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only open ones whose deadline has passed.")
    ] = False,
    after: Annotated[
        str | None,
        typer.Option(parser=to_callback_id, metavar="CALLBACK", help="Only those behind this one."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List callbacks, the oldest first: what waits, for whom, and since when."""
    query = Query(
        states=frozenset(state) if state else NOT_ENDED,
        workflow_id=workflow_id,
        workflow_type=workflow_type,
        activity_type=activity_type,
        tag=tag,
        opened_after=None if newer_than is None else SystemClock().now() - newer_than,
        older_than=older_than,
        is_overdue=overdue,
    )
    found = run(_page(query, None if after is None else CallbackId(after), limit))
    if as_json:
        print(json.dumps([to_json(callback) for callback in found]))
        return
    if not found:
        print(f"no callbacks in {load_settings().store_name}")
        return
    console = Console()
    console.print(table_of(found))
    if len(found) == limit:
        console.print(f"the first {limit}; for more: --after {found[-1].id}")


def show(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Show one callback: how it stands, what proves it, and what happened to it."""
    callback, happened = run(_find(CallbackId(callback_id)))
    if as_json:
        trail = [event_to_json(event) for event in happened]
        print(json.dumps({**to_json(callback), "events": trail}))
        return
    console = Console()
    console.print(details_of(callback))
    console.print(trail_of(happened))


def events(
    callback_id: CallbackArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the callback has ended.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what happened to a callback, a line for each event; with --json, each is JSON."""
    run(_tell(CallbackId(callback_id), follow=follow, as_json=as_json))


async def _page(query: Query, after: CallbackId | None, limit: int) -> Sequence[Callback]:
    async with existing_store(load_settings(), SystemClock()) as store:
        return await store.page(query, after=after, limit=limit)


async def _find(callback_id: CallbackId) -> tuple[Callback, Sequence[Event]]:
    async with existing_store(load_settings(), SystemClock()) as store:
        callback = await get_callback(store, callback_id)
        return callback, await store.events(callback_id)


async def _tell(callback_id: CallbackId, *, follow: bool, as_json: bool) -> None:
    async with existing_store(load_settings(), SystemClock()) as store:
        async for event in _happening(store, callback_id, follow=follow):
            print(json.dumps(event_to_json(event)) if as_json else line_of(event), flush=True)


async def _happening(
    store: SqlStore, callback_id: CallbackId, *, follow: bool
) -> AsyncIterator[Event]:
    told = 0
    while True:
        callback = await get_callback(store, callback_id)
        # Read after it: the events of its end are there if the end is.
        happened = await store.events(callback_id)
        for event in happened[told:]:
            yield event
        told = len(happened)
        if not follow or not MOVES[callback.state]:
            return
        await SystemClock().sleep(_LOOK_AGAIN)
