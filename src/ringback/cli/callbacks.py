"""Commands that show callbacks, and what became of them."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated, Final

import typer

from ringback.app.program import run
from ringback.cli.gateway import operator_client, operator_target
from ringback.cli.given import AsJson, to_duration
from ringback.cli.target import CallbackArgument, to_callback_id
from ringback.cli.view import line_of, lines_of, print_callbacks
from ringback.client.gateway_client import GatewayClient
from ringback.core.services import SystemClock
from ringback.domain.callback import MOVES, State
from ringback.domain.durations import format_instant
from ringback.schemas.responses import EventOut, PageOut, ShownOut

_POLL_EVERY: Final = timedelta(milliseconds=500)
_MOST_LISTED: Final = 1000


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
        typer.Option(parser=to_duration, metavar="DURATION", help="Opened at least so long ago."),
    ] = None,
    newer_than: Annotated[
        timedelta | None,
        typer.Option(parser=to_duration, metavar="DURATION", help="Opened at most so long ago."),
    ] = None,
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only open ones whose deadline has passed.")
    ] = False,
    after: Annotated[
        str | None,
        typer.Option(parser=to_callback_id, metavar="CALLBACK", help="Only those after this one."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=_MOST_LISTED, help="How many at most.")] = 100,
    as_json: AsJson = False,
) -> None:
    """List callbacks, the oldest first: what waits, for whom, and since when."""
    opened_after = None if newer_than is None else SystemClock().now() - newer_than
    filters = {
        "state": [one.value for one in state or []],
        "workflow_id": workflow_id,
        "workflow_type": workflow_type,
        "activity_type": activity_type,
        "tag": tag,
        "older_than": None if older_than is None else str(older_than.total_seconds()),
        "opened_after": None if opened_after is None else format_instant(opened_after),
        "overdue": "true" if overdue else None,
        "after": after,
        "limit": str(limit),
    }
    page = run(_page({name: value for name, value in filters.items() if value is not None}))
    if as_json:
        print(page.model_dump_json())
        return
    if not page.callbacks:
        print(f"no callbacks at {operator_target().url}")
        return
    print_callbacks(page.callbacks, now=SystemClock().now())
    if page.next is not None:
        print(f"the first {limit}; for more: --after {page.next}")


def show(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Show one callback: its state, its proof, what it accepts, and what happened to it."""
    callback, happened = run(_find(callback_id))
    if as_json:
        trail = [event.model_dump(mode="json") for event in happened]
        print(json.dumps({**callback.model_dump(mode="json"), "events": trail}))
        return
    print(*lines_of(callback), "", *map(line_of, happened), sep="\n")


def events(
    callback_id: CallbackArgument,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Continue until the callback has ended.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Print what happened to a callback, a line for each event; with --json, each is JSON."""
    run(_print_events(callback_id, follow=follow, as_json=as_json))


async def _page(filters: dict[str, str | list[str]]) -> PageOut:
    async with operator_client() as client:
        return await client.page(filters)


async def _find(callback_id: str) -> tuple[ShownOut, list[EventOut]]:
    async with operator_client() as client:
        return await client.show(callback_id), await client.events(callback_id)


async def _print_events(callback_id: str, *, follow: bool, as_json: bool) -> None:
    async with operator_client() as client:
        async for event in _happening(client, callback_id, follow=follow):
            print(event.model_dump_json() if as_json else line_of(event), flush=True)


async def _happening(
    client: GatewayClient, callback_id: str, *, follow: bool
) -> AsyncIterator[EventOut]:
    printed = 0
    while True:
        callback = await client.show(callback_id)
        # Read after it: the events of its end are there if the end is.
        happened = await client.events(callback_id)
        for event in happened[printed:]:
            yield event
        printed = len(happened)
        if not follow or not MOVES[State(callback.state)]:
            return
        await SystemClock().sleep(_POLL_EVERY)
