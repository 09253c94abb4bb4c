"""Commands about the people who decide on a callback."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Final

import typer

from ringback.app.system import find_os_user
from ringback.cli.gateway import call_gateway
from ringback.cli.listing import line_of_vote, printable
from ringback.cli.params import AsJson, CallbackArgument
from ringback.client.gateway_client import GatewayClient
from ringback.domain.errors import GatewayRefusedError
from ringback.domain.policy import EXCLUDED
from ringback.domain.text_checks import to_key
from ringback.schemas.responses import CallbackOut
from ringback.schemas.votes import VotesOut

Groups = Annotated[
    list[str] | None,
    typer.Option("--group", help="A group of the approver; may be repeated. Not authenticated."),
]

Person = Annotated[
    str | None, typer.Option("--by", help="The person (default: your OS user). Not authenticated.")
]


def votes(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Print the votes on a callback, one per line."""
    found = call_gateway(lambda client: client.votes(callback_id))
    if as_json:
        print(VotesOut(votes=found).model_dump_json())
        return
    for vote in found:
        print(line_of_vote(vote))
    if not found:
        print("no votes")


def withdraw(callback_id: CallbackArgument, by: Person = None, as_json: AsJson = False) -> None:
    """Withdraw a vote while nothing is decided."""
    user = _name(by)
    callback = call_gateway(lambda client: _withdraw(client, callback_id, user))
    _say(callback, f"has no vote of {user} now", as_json=as_json)


def claim(
    callback_id: CallbackArgument,
    by: Person = None,
    group: Groups = None,
    as_json: AsJson = False,
) -> None:
    """Claim a callback: nobody else can decide it until it is released."""
    user = _name(by)
    with deciding_as(user, group or ()):
        callback = call_gateway(lambda client: client.claim(callback_id, user, group or ()))
    _say(callback, f"is claimed by {callback.claimant}", as_json=as_json)


def release(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Release a claimed callback."""
    callback = call_gateway(lambda client: client.release(callback_id))
    _say(callback, "can be decided by everybody who is asked", as_json=as_json)


def reassign(
    callback_id: CallbackArgument,
    assignees: Annotated[
        list[str],
        typer.Argument(metavar="ASSIGNEE...", help="user:ada@example.org or group:finance."),
    ],
    as_json: AsJson = False,
) -> None:
    """Ask other people instead. Votes of people who may no longer decide are removed."""
    callback = call_gateway(lambda client: client.reassign(callback_id, assignees))
    _say(callback, f"asks {', '.join(assignees)}", as_json=as_json)


async def _withdraw(client: GatewayClient, callback_id: str, user: str) -> CallbackOut:
    ballot = (await client.show(callback_id)).ballots.get(to_key(user), 0)
    return await client.withdraw(callback_id, user, ballot=ballot)


def _name(by: str | None) -> str:
    user = by or find_os_user()
    if user is None:
        msg = "name the person with --by: your OS user has no name"
        raise typer.BadParameter(msg)
    return user


def _say(callback: CallbackOut, what: str, *, as_json: bool) -> None:
    print(callback.model_dump_json() if as_json else printable(f"{callback.id} {what}"))


_TITLE: Final = "not assigned"


@contextmanager
def deciding_as(person: str | None, groups: Sequence[str]) -> Iterator[None]:
    """Say in whose name a command decided, and how to name somebody else, if that is refused.

    Raises:
        GatewayRefusedError: The gateway refused what the block asked for.
    """
    try:
        yield
    except GatewayRefusedError as exc:
        is_another_refusal = exc.status != HTTPStatus.FORBIDDEN or exc.title != _TITLE
        # An excluded person must not be told to name somebody else.
        if is_another_refusal or str(exc) == EXCLUDED:
            raise
        among = f"with --group {', '.join(groups)}" if groups else "without --group"
        msg = (
            f"{exc}: this was in the name of {person}, {among}; name the person with --by, and"
            " each of their groups with --group"
        )
        raise GatewayRefusedError(msg, status=exc.status, title=exc.title) from None
