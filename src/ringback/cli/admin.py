"""Commands by which an operator changes a callback."""

import sys
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Annotated, Final

import typer

from ringback.app.exits import exit_code
from ringback.app.program import run
from ringback.app.system import find_os_user
from ringback.cli.gateway import call_gateway, operator_client
from ringback.cli.listing import printable, say
from ringback.cli.params import (
    AsJson,
    CallbackArgument,
    OptionalCallback,
    duration_option,
    to_duration,
)
from ringback.client.gateway_client import GatewayClient
from ringback.domain.callback import State
from ringback.domain.durations import format_instant
from ringback.domain.errors import GatewayRefusedError, GatewayUnavailableError, RingbackError
from ringback.domain.link import Verb
from ringback.schemas.responses import CallbackOut, LinkOut, ShownOut


def extend(
    callback_id: CallbackArgument,
    within: Annotated[
        timedelta, typer.Argument(parser=to_duration, metavar="DURATION", help="90m, 1h30m, 2d.")
    ],
    as_json: AsJson = False,
) -> None:
    """Set the callback's deadline to DURATION from now."""
    callback = call_gateway(lambda client: client.extend(callback_id, within))
    assert callback.deadline_at is not None, "it was just set"
    until = format_instant(callback.deadline_at)
    say(callback, f"{callback.id} may be answered until {until}", as_json=as_json)


def redeliver(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Deliver a parked answer again.

    Fix the cause first; `ringback show` prints it.
    """
    callback = call_gateway(lambda client: client.redeliver(callback_id))
    say(callback, f"{callback.id} will be delivered again", as_json=as_json)


def revoke(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Revoke all links to a callback.

    The callback stays open; `ringback link` creates a new link.
    """
    callback = call_gateway(lambda client: client.revoke(callback_id))
    text = f"{callback.id} has no valid links now; for a new one: ringback link"
    say(callback, text, as_json=as_json)


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
        duration_option("How long it is valid: 90m, 2d; default: as the activity's link.", "--for"),
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
    say(made, made.url, as_json=as_json)


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


_PAGE: Final = 100

_MOST_IN_VAIN: Final = 5
"""Maximum failures in a row for which the gateway or Temporal is to blame; then the rest waits."""

_IN_WORDS: Final = {
    State.SUPERSEDED: "is superseded: its answer is given up, and stays readable",
    State.APPLIED: "is applied: Temporal has its answer",
}


def give_up(
    callback_id: OptionalCallback = None,
    parked: Annotated[
        bool, typer.Option("--parked", help="Give up every parked answer that has no use.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --parked: the number of callbacks to try, the oldest first."
        ),
    ] = None,
    by: Annotated[
        str | None,
        typer.Option(
            help="Your name for the audit trail (default: your OS user). It is not authenticated."
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="Why, in a sentence. The audit trail has it.")
    ] = None,
    temporal_is_gone: Annotated[
        bool,
        typer.Option(
            "--temporal-is-gone",
            help="You know that the Temporal server or the namespace that ran the activity does not"
            " exist any more.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Close a parked answer whose activity has ended or was deleted.

    The gateway asks Temporal first. If the activity still waits, the answer stays parked, and
    `ringback redeliver` delivers it. The body of the answer stays until the retention deletes the
    callback. With --parked, one answer that cannot be given up does not stop the others.
    """
    if (callback_id is None) != parked:
        msg = "name one callback by its id, or give --parked"
        raise typer.BadParameter(msg)
    if limit is not None and not parked:
        msg = "--limit goes with --parked"
        raise typer.BadParameter(msg)
    facts = {"by": by or find_os_user(), "reason": reason}
    body: dict[str, object] = {name: fact for name, fact in facts.items() if fact}
    if temporal_is_gone:
        body["temporal_is_gone"] = True
    if callback_id is not None:
        _say_given_up(
            call_gateway(lambda client: client.give_up(callback_id, body)), as_json=as_json
        )
        return
    code = run(_give_up_all(body, limit=limit, as_json=as_json))
    if code:
        raise typer.Exit(code)


async def _give_up_all(body: Mapping[str, object], *, limit: int | None, as_json: bool) -> int:
    """Give up parked answers, the oldest first; return the exit code of the worst failure."""
    given_up = failed = in_vain = code = 0
    async with operator_client() as client:
        async for callback_id in _parked(client, limit):
            try:
                _say_given_up(await client.give_up(callback_id, body), as_json=as_json)
            except RingbackError as exc:
                if isinstance(exc, GatewayRefusedError) and exc.status == HTTPStatus.FORBIDDEN:
                    raise
                failed += 1
                code = max(code, exit_code(exc))
                print(printable(f"ringback: {callback_id}: {exc}"), file=sys.stderr)
                in_vain = in_vain + 1 if isinstance(exc, GatewayUnavailableError) else 0
                if in_vain >= _MOST_IN_VAIN:
                    msg = f"ringback: {in_vain} failures in a row; try the rest again later"
                    print(msg, file=sys.stderr)
                    break
            else:
                given_up, in_vain = given_up + 1, 0
    print(f"{given_up} given up, {failed} refused", file=sys.stderr)
    return code


async def _parked(client: GatewayClient, limit: int | None) -> AsyncIterator[str]:
    """Yield the ids of parked callbacks, the oldest first; at most `limit`."""
    filters = {"state": State.PARKED.value, "limit": str(_PAGE)}
    seen = 0
    while True:
        page = await client.page(filters)
        for callback in page.callbacks:
            if seen == limit:
                return
            seen += 1
            yield callback.id
        if page.next is None:
            return
        filters["after"] = page.next


def _say_given_up(callback: CallbackOut, *, as_json: bool) -> None:
    say(callback, f"{callback.id} {_IN_WORDS[State(callback.state)]}", as_json=as_json)
