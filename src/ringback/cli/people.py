"""Commands about the people who decide on callbacks: their questions and their votes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Annotated, Final

import typer

from ringback.app.system import find_os_user
from ringback.cli.gateway import call_gateway
from ringback.cli.listing import Fields, Record, line_of_vote, print_list, say
from ringback.cli.params import AsJson, CallbackArgument
from ringback.client.gateway_client import Filters, GatewayClient
from ringback.core.services import SystemClock
from ringback.domain.errors import GatewayRefusedError
from ringback.domain.inbox import MOST_LISTED, Scope, Show
from ringback.domain.policy import EXCLUDED
from ringback.domain.text_checks import to_key
from ringback.schemas.inbox import InboxEntryOut
from ringback.schemas.responses import CallbackOut
from ringback.schemas.votes import VotesOut

Groups = Annotated[
    list[str] | None,
    typer.Option("--group", help="A group of the approver; may be repeated. Not authenticated."),
]

Person = Annotated[
    str | None, typer.Option("--by", help="The person (default: your OS user). Not authenticated.")
]


_INBOX: Final = Fields(
    ["callback", "deadline", "title", "workflow", "claimed by", "votes", "not sent"],
    minor=frozenset({"workflow"}),
    narrow=["title", "deadline", "claimed by"],
)


def inbox(
    user: Annotated[str | None, typer.Option(help="Whose inbox: ada@example.org.")] = None,
    group: Annotated[
        list[str] | None, typer.Option(help="A group of the user; may be repeated.")
    ] = None,
    scope: Annotated[
        Scope | None,
        typer.Option(help="Default: mine with --user, else groups with --group, else all."),
    ] = None,
    show: Annotated[Show, typer.Option(help="Which questions.")] = Show.OPEN,
    text: Annotated[str, typer.Option(help="Words that must all occur.")] = "",
    after: Annotated[
        str | None, typer.Option(help="Begin after this place, for the next page.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=MOST_LISTED, help="Maximum number of questions.")
    ] = 50,
    as_json: AsJson = False,
) -> None:
    """List the questions to people, sorted by deadline.

    Without --user and --group it lists the questions to everybody.
    """
    filters: Filters = {
        "user": user or None,
        "group": group,
        "scope": scope and scope.value,
        "show": show.value,
        "text": text,
        "after": after or None,
        "limit": str(limit),
    }
    page = call_gateway(lambda client: client.inbox(filters))
    if as_json:
        print(page.model_dump_json(indent=2))
        return
    print_list(_INBOX, [_to_record(one) for one in page.callbacks], now=SystemClock().now())
    if page.next is not None:
        typer.echo(f"more: --after {page.next}", err=True)


def _to_record(question: InboxEntryOut) -> Record:
    return {
        "callback": question.id,
        "deadline": question.deadline_at,
        "title": question.title or question.activity_type,
        "workflow": question.workflow_id,
        "claimed by": question.claimant,
        "votes": str(len(question.votes)),
        "not sent": ", ".join(f"{one.count} by {one.channel}" for one in question.unsent),
    }


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
    say(callback, f"{callback.id} has no vote of {user} now", as_json=as_json)


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
    say(callback, f"{callback.id} is claimed by {callback.claimant}", as_json=as_json)


def release(callback_id: CallbackArgument, as_json: AsJson = False) -> None:
    """Release a claimed callback."""
    callback = call_gateway(lambda client: client.release(callback_id))
    text = f"{callback.id} can be decided by everybody who is asked"
    say(callback, text, as_json=as_json)


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
    say(callback, f"{callback.id} asks {', '.join(assignees)}", as_json=as_json)


async def _withdraw(client: GatewayClient, callback_id: str, user: str) -> CallbackOut:
    ballot = (await client.show(callback_id)).ballots.get(to_key(user), 0)
    return await client.withdraw(callback_id, user, ballot=ballot)


def _name(by: str | None) -> str:
    user = by or find_os_user()
    if user is None:
        msg = "name the person with --by: your OS user has no name"
        raise typer.BadParameter(msg)
    return user


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
