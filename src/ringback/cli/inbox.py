"""The command that lists the questions to people."""

from typing import Annotated, Final

import typer

from ringback.cli.gateway import call_gateway
from ringback.cli.listing import Fields, Record, print_list
from ringback.cli.params import AsJson
from ringback.core.services import SystemClock
from ringback.domain.inbox import MOST_LISTED, Scope, Show
from ringback.schemas.inbox import InboxEntryOut

_FIELDS: Final = Fields(
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
    filters: dict[str, str | list[str]] = {"show": show.value, "limit": str(limit)}
    filters |= {"group": group} if group else {}
    named = {"user": user, "scope": scope and scope.value, "text": text, "after": after}
    filters |= {name: value for name, value in named.items() if value}
    page = call_gateway(lambda client: client.inbox(filters))
    if as_json:
        print(page.model_dump_json(indent=2))
        return
    print_list(_FIELDS, [_to_record(one) for one in page.callbacks], now=SystemClock().now())
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
