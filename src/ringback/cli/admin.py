"""Commands for the callbacks that need a person."""

import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

import typer

from ringback.app.program import run
from ringback.cli.gateway import operator_client
from ringback.cli.given import AsJson, to_duration
from ringback.cli.target import CallbackArgument
from ringback.client.gateway_client import GatewayClient
from ringback.domain.callback import State
from ringback.domain.durations import format_instant
from ringback.domain.link import Verb
from ringback.schemas.responses import CallbackOut, LinkOut, ShownOut


def extend(
    callback_id: CallbackArgument,
    within: Annotated[
        timedelta,
        typer.Argument(parser=to_duration, metavar="DURATION", help="From now on: 90m, 1h30m, 2d."),
    ],
    as_json: AsJson = False,
) -> None:
    """Give the sender more time: the callback's own deadline is that long from now."""
    callback = run(_change(lambda client: client.extend(callback_id, within)))
    assert callback.deadline_at is not None, "it was just set"
    until = format_instant(callback.deadline_at)
    _say(callback, f"may be answered until {until}", as_json=as_json)


def redeliver(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Deliver a parked answer again, after the cause was fixed."""
    callback = run(_change(lambda client: client.redeliver(callback_id)))
    _say(callback, "will be delivered again", as_json=as_json)


def revoke(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Revoke all links to a callback. The callback stays open; `ringback link` makes a new one."""
    callback = run(_change(lambda client: client.revoke(callback_id)))
    _say(callback, "has no valid link any more; for a new one: ringback link", as_json=as_json)


def link(
    callback_id: CallbackArgument,
    verbs: Annotated[
        str | None,
        typer.Option(metavar="VERBS", help="What it allows: complete,fail,heartbeat,cancel,view."),
    ] = None,
    good_for: Annotated[
        timedelta | None,
        typer.Option("--for", parser=to_duration, metavar="DURATION", help="From now on: 90m, 2d."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Print a link to a callback: a credential; whoever has it may answer.

    Without options it allows what the activity's own link does, for as long.
    It never allows more, nor for longer.
    """
    wanted = None if verbs is None else to_verbs(verbs)
    callback, made = run(_create_link(callback_id, wanted, good_for))
    if callback.state != State.OPEN.value:
        why = f"{callback.id} is {callback.state}: nobody can answer it with this link any more"
        print(f"ringback: {why}; the link only shows how it stands", file=sys.stderr)
    print(made.model_dump_json() if as_json else made.url)


def to_verbs(text: str) -> list[str]:
    """Return the verbs that `text` names, separated by commas.

    Raises:
        typer.BadParameter: It names none, or something else.
    """
    known = [verb.name.lower() for verb in Verb]
    named = list(dict.fromkeys(name.strip().lower() for name in text.split(",")))
    unknown = [name for name in named if name not in known]
    if unknown:
        msg = f"{unknown[0]!r} is no verb of a link; known are {', '.join(known)}"
        raise typer.BadParameter(msg)
    return named


async def _create_link(
    callback_id: str, verbs: list[str] | None, good_for: timedelta | None
) -> tuple[ShownOut, LinkOut]:
    async with operator_client() as client:
        callback = await client.show(callback_id)
        return callback, await client.create_link(callback_id, verbs=verbs, good_for=good_for)


async def _change(work: Callable[[GatewayClient], Awaitable[CallbackOut]]) -> CallbackOut:
    async with operator_client() as client:
        return await work(client)


def _say(callback: CallbackOut, what: str, *, as_json: bool) -> None:
    print(callback.model_dump_json() if as_json else f"{callback.id} {what}")
