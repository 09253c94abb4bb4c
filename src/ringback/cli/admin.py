"""Commands by which an operator changes a callback."""

import sys
from datetime import timedelta
from typing import Annotated

import typer

from ringback.cli.gateway import call_gateway
from ringback.cli.params import AsJson, CallbackArgument, to_duration
from ringback.client.gateway_client import GatewayClient
from ringback.domain.callback import State
from ringback.domain.durations import format_instant
from ringback.domain.link import Verb
from ringback.schemas.responses import CallbackOut, LinkOut, ShownOut


def extend(
    callback_id: CallbackArgument,
    within: Annotated[
        timedelta,
        typer.Argument(parser=to_duration, metavar="DURATION", help="90m, 1h30m, 2d."),
    ],
    as_json: AsJson = False,
) -> None:
    """Set the callback's deadline to DURATION from now."""
    callback = call_gateway(lambda client: client.extend(callback_id, within))
    assert callback.deadline_at is not None, "it was just set"
    until = format_instant(callback.deadline_at)
    _say(callback, f"may be answered until {until}", as_json=as_json)


def redeliver(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Deliver a parked answer again.

    Fix the cause first; `ringback show` prints it.
    """
    callback = call_gateway(lambda client: client.redeliver(callback_id))
    _say(callback, "will be delivered again", as_json=as_json)


def revoke(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Revoke all links to a callback.

    The callback stays open; `ringback link` creates a new link.
    """
    callback = call_gateway(lambda client: client.revoke(callback_id))
    _say(callback, "has no valid links now; for a new one: ringback link", as_json=as_json)


def link(
    callback_id: CallbackArgument,
    verbs: Annotated[
        str | None,
        typer.Option(
            metavar="VERBS",
            help="Any of complete,fail,heartbeat,cancel,view; default: as the activity's link.",
        ),
    ] = None,
    good_for: Annotated[
        timedelta | None,
        typer.Option(
            "--for",
            parser=to_duration,
            metavar="DURATION",
            help="How long it is valid: 90m, 2d; default: as the activity's link.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a link to a callback, and print it.

    The link is a credential: anybody who has it can answer. It allows at most what the activity's
    own link allows, and for at most as long.
    """
    wanted = None if verbs is None else to_verbs(verbs)
    callback, made = call_gateway(
        lambda client: _create_link(client, callback_id, wanted, good_for=good_for)
    )
    if callback.state != State.OPEN.value:
        why = f"{callback.id} is {callback.state}: it accepts no more answers"
        print(f"ringback: {why}; the link only shows its state", file=sys.stderr)
    print(made.model_dump_json() if as_json else made.url)


def to_verbs(text: str) -> list[str]:
    """Parse the verbs of a link, separated by commas.

    Raises:
        typer.BadParameter: A name is not a verb.
    """
    known = [verb.name.lower() for verb in Verb]
    named = list(dict.fromkeys(name.strip().lower() for name in text.split(",")))
    unknown = [name for name in named if name not in known]
    if unknown:
        msg = f"{unknown[0]!r} is not a verb of a link; use {', '.join(known)}"
        raise typer.BadParameter(msg)
    return named


async def _create_link(
    client: GatewayClient, callback_id: str, verbs: list[str] | None, *, good_for: timedelta | None
) -> tuple[ShownOut, LinkOut]:
    callback = await client.show(callback_id)
    return callback, await client.create_link(callback_id, verbs=verbs, good_for=good_for)


def _say(callback: CallbackOut, what: str, *, as_json: bool) -> None:
    print(callback.model_dump_json() if as_json else f"{callback.id} {what}")
