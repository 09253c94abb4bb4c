"""Commands for the callbacks that need a person."""

import json
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated, Final

import typer

from ringback.app.program import run
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.cli.look import AsJson, to_json
from ringback.core.operate import Operating
from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.settings import load_settings

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")

_LONGEST: Final = timedelta(days=3650)

CallbackArgument = Annotated[str, typer.Argument(help="cb_…", metavar="CALLBACK")]


def to_duration(text: str) -> timedelta:
    """Return the duration that `text` says: `90m`, `1h30m`, `2d`.

    Raises:
        typer.BadParameter: It says none.
    """
    found = _DURATION.fullmatch(text)
    if not text or found is None:
        msg = f"{text!r} is no duration; write 90m, 1h30m or 2d"
        raise typer.BadParameter(msg)
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    try:
        duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        duration = timedelta.max
    if not timedelta(0) < duration <= _LONGEST:
        msg = f"{text!r} must be longer than nothing, and at most {_LONGEST.days}d"
        raise typer.BadParameter(msg)
    return duration


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


async def _operated(work: Callable[[Operating], Awaitable[Callback]]) -> Callback:
    async with opened_store(load_settings(), SystemClock()) as store:
        return await work(Operating(store, store, store))


def _say(callback: Callback, what: str, *, as_json: bool) -> None:
    print(json.dumps(to_json(callback)) if as_json else f"{callback.id} {what}")
