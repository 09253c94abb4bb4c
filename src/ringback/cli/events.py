"""The command that lists what sources sent."""

from typing import Annotated, Final

import typer

from ringback.app.program import run
from ringback.cli.gateway import operator_client
from ringback.cli.listing import Fields, Record, print_list
from ringback.cli.params import AsJson
from ringback.core.services import SystemClock
from ringback.domain.event import EventState
from ringback.schemas.events import MOST_LISTED, EventOut, EventsOut

_FIELDS: Final = Fields(
    ["event", "received", "source", "state", "action", "alias", "callback", "reason"],
    minor=frozenset({"action", "callback"}),
    narrow=["event", "state", "alias"],
)


def events(
    source: Annotated[str | None, typer.Option(help="Of this source only: stripe.")] = None,
    state: Annotated[EventState | None, typer.Option(help="In this state only.")] = None,
    alias: Annotated[str | None, typer.Option(help="For this alias only.")] = None,
    before: Annotated[
        str | None, typer.Option(help="Older than this event, for the next page.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_LISTED, help="Maximum number of events.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """List the events that sources sent, newest first.

    A source is configured in ringback.toml. An event is waiting for its alias, matched, ignored,
    unmatched or dead; the reason says why.
    """
    filters = {"source": source, "state": state and state.value, "alias": alias, "before": before}

    async def find() -> EventsOut:
        async with operator_client() as client:
            return await client.events({
                **{name: value for name, value in filters.items() if value},
                "limit": str(limit),
            })

    page = run(find())
    if as_json:
        print(page.model_dump_json(indent=2))
        return
    print_list(_FIELDS, [_to_record(one) for one in page.events], now=SystemClock().now())
    if page.next is not None:
        typer.echo(f"more: --before {page.next}", err=True)


def _to_record(event: EventOut) -> Record:
    return {
        "event": event.id,
        "received": event.received_at,
        "source": event.source,
        "state": event.state.value,
        "action": event.action,
        "alias": event.alias,
        "callback": event.callback_id,
        "reason": event.reason,
    }
