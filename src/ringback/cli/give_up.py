"""The command that gives parked answers up."""

import sys
from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Annotated, Final

import typer

from ringback.app.exits import exit_code
from ringback.app.program import run
from ringback.app.system import find_os_user
from ringback.cli.gateway import call_gateway, operator_client
from ringback.cli.listing import printable
from ringback.cli.params import AsJson, OptionalCallback
from ringback.client.gateway_client import GatewayClient
from ringback.domain.callback import State
from ringback.domain.errors import (
    GatewayRefusedError,
    GatewayUnavailableError,
    RingbackError,
)
from ringback.schemas.responses import CallbackOut

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
        _say(call_gateway(lambda client: client.give_up(callback_id, body)), as_json=as_json)
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
                _say(await client.give_up(callback_id, body), as_json=as_json)
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


def _say(callback: CallbackOut, *, as_json: bool) -> None:
    if as_json:
        print(callback.model_dump_json())
    else:
        print(f"{callback.id} {_IN_WORDS[State(callback.state)]}")
