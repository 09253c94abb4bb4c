"""Commands that list, show and replay what sources sent."""

import json
import sys
from base64 import b64decode
from typing import Annotated, Final

import typer

from ringback.cli.gateway import call_gateway
from ringback.cli.listing import Fields, Record, lines_of_facts, print_list, printable, say
from ringback.cli.params import AsJson, to_event_id
from ringback.core.services import SystemClock
from ringback.domain.event import EventState
from ringback.schemas.events import MOST_LISTED, EventOut, EventRecordOut

_FIELDS: Final = Fields(
    ["event", "received", "source", "state", "action", "alias", "callback", "reason"],
    minor=frozenset({"action", "callback"}),
    narrow=["event", "state", "alias"],
)

_EventArgument = Annotated[
    str, typer.Argument(parser=to_event_id, help="The event: ev_…", metavar="EVENT")
]

events: Final = typer.Typer(invoke_without_command=True)


@events.command("list", help="List events, newest first; the same as without `list`.")
@events.callback()
def list_events(
    context: typer.Context,
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
    """List what sources sent, newest first; show or replay it.

    A source is configured in ringback.toml. An event is waiting for its alias, matched, ignored,
    unmatched or dead; the reason says why.
    """
    if context.invoked_subcommand is not None:
        return
    filters = {
        "source": source or None,
        "state": state and state.value,
        "alias": alias or None,
        "before": before or None,
        "limit": str(limit),
    }
    page = call_gateway(lambda client: client.events(filters))
    if as_json:
        print(page.model_dump_json(indent=2))
        return
    print_list(_FIELDS, [_to_record(one) for one in page.events], now=SystemClock().now())
    if page.next is not None:
        typer.echo(f"more: --before {page.next}", err=True)


@events.command()
def show(
    event_id: _EventArgument,
    only_body: Annotated[
        bool, typer.Option("--body", help="Print only the body of the request, byte for byte.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show all that is stored of an event, with the body of its request."""
    if only_body and as_json:
        msg = "give --body or --json, not both"
        raise typer.BadParameter(msg)
    event = call_gateway(lambda client: client.event(event_id))
    if only_body:
        sys.stdout.flush()
        sys.stdout.buffer.write(_body_of(event))
    elif as_json:
        print(event.model_dump_json())
    else:
        print(*_lines_of(event), sep="\n")


@events.command()
def replay(
    event_id: _EventArgument,
    to_current: Annotated[
        bool,
        typer.Option(
            "--to-current", help="Also if its alias leads to another callback than before."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Begin an ended event again, with the rules that apply now.

    Correct the rule and restart the gateway first. The event is ignored, unmatched or dead. It goes
    to the callback that has its alias now. The first answer to a callback counts.
    """
    event = call_gateway(lambda client: client.replay_event(event_id, to_current=to_current))
    alias = f" for {event.alias}" if event.alias else ""
    reason = f": {event.reason}" if event.reason else ""
    say(event, f"{event.id} is {event.state.value}{alias}{reason}", as_json=as_json)


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


def _lines_of(event: EventRecordOut) -> list[str]:
    facts = json.loads(event.model_dump_json(exclude={"headers", "body", "body_base64"}))
    facts["place"] = f"{facts.pop('position') + 1} of {facts.pop('siblings')}"
    facts |= {f"header {name}": value for name, value in event.headers.items()}
    lines = lines_of_facts({
        name.replace("_", " "): str(value) for name, value in facts.items() if value is not None
    })
    if event.body_base64 is not None:
        return [*lines, "", "body in base64:", event.body_base64]
    return [*lines, "", "body:", *map(printable, (event.body or "").splitlines())]


def _body_of(event: EventRecordOut) -> bytes:
    if event.body_base64 is not None:
        return b64decode(event.body_base64)
    return (event.body or "").encode()
