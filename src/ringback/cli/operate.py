"""Commands for the callbacks that need a person."""

import json
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

import typer

from ringback.app.keys import load_keyring
from ringback.app.program import run
from ringback.app.stores import existing_store
from ringback.app.system import SystemClock
from ringback.cli.given import AsJson, to_duration
from ringback.cli.naming import CallbackArgument
from ringback.cli.view import to_json
from ringback.core.operate import Operating, get_callback, link_to
from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.link import Link, Verb
from ringback.settings import load_settings


def extend(
    callback_id: CallbackArgument,
    within: Annotated[
        timedelta,
        typer.Argument(parser=to_duration, metavar="DURATION", help="From now on: 90m, 1h30m, 2d."),
    ],
    as_json: AsJson = False,
) -> None:
    """Give the outside more time: the callback's own deadline is so long from now."""
    callback = run(_operated(lambda operating: operating.extend(CallbackId(callback_id), within)))
    _say(callback, f"may be answered until {callback.deadline_at}", as_json=as_json)


def redeliver(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Deliver a parked answer again, after what it was parked for was looked at."""
    callback = run(_operated(lambda operating: operating.redeliver(CallbackId(callback_id))))
    _say(callback, "will be delivered again", as_json=as_json)


def revoke(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Let no link to a callback be good any more; it stays open, and a new link may be made."""
    callback = run(_operated(lambda operating: operating.revoke(CallbackId(callback_id))))
    _say(callback, "has no good link any more; for a new one: ringback link", as_json=as_json)


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
    made, url = run(_linked(CallbackId(callback_id), wanted, good_for))
    if not as_json:
        print(url)
        return
    allows = sorted(verb.name.lower() for verb in made.verbs)
    expires_at = made.expires_at.isoformat()
    print(json.dumps({"url": url, "allows": allows, "expires_at": expires_at}))


def to_verbs(text: str) -> frozenset[Verb]:
    """Return the verbs that `text` names, separated by commas.

    Raises:
        typer.BadParameter: It names none, or something else.
    """
    known = {verb.name.lower(): verb for verb in Verb}
    try:
        return frozenset(known[name.strip().lower()] for name in text.split(","))
    except KeyError as exc:
        msg = f"{exc.args[0]!r} is no verb of a link; known are {', '.join(known)}"
        raise typer.BadParameter(msg) from exc


async def _linked(
    callback_id: CallbackId, verbs: frozenset[Verb] | None, good_for: timedelta | None
) -> tuple[Link, str]:
    settings, clock = load_settings(), SystemClock()
    async with existing_store(settings, clock) as store:
        callback = await get_callback(store, callback_id)
    keyring = load_keyring(settings)
    until = None if good_for is None else clock.now() + good_for
    made = link_to(callback, key_id=keyring.signing, verbs=verbs, until=until)
    return made, keyring.url(settings.base_url, made)


async def _operated(work: Callable[[Operating], Awaitable[Callback]]) -> Callback:
    async with existing_store(load_settings(), SystemClock()) as store:
        return await work(Operating(store, store, store, links=store))


def _say(callback: Callback, what: str, *, as_json: bool) -> None:
    print(json.dumps(to_json(callback)) if as_json else f"{callback.id} {what}")
