"""Commands for the people who use the pages: sign-in URLs and sessions."""

import json
from datetime import timedelta
from typing import Annotated, Final

import typer

from ringback.app.system import SystemClock, find_os_user
from ringback.cli.gateway import call_gateway
from ringback.cli.listing import Fields, Record, print_list, say
from ringback.cli.params import AsJson, duration_option
from ringback.schemas.sign_in import SessionOut

sessions: Final = typer.Typer(help="List and revoke the sessions of people.", no_args_is_help=True)


def sign_in_url(
    user: Annotated[
        str | None,
        typer.Option(
            metavar="USER", help="The user, as assignees name them; default: your OS user."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="The name to show; default: the user.")
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="GROUP", help="A group of the user; may be repeated."),
    ] = None,
    admin: Annotated[
        bool, typer.Option("--admin", help="Let the user see and manage everybody's callbacks.")
    ] = False,
    good_for: Annotated[
        timedelta | None, duration_option("How long it can be used: 10m, 2d; default: 1h.", "--for")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Create a one-time sign-in URL for a person, and print it.

    It signs one browser in, with a button on the page that it opens. It is a credential: send it to
    nobody else. For an organization, use its identity provider instead.
    """
    user = user or find_os_user()
    if user is None:
        msg = "your OS user has no name; name the person with --user"
        raise typer.BadParameter(msg)
    body = {
        "user": user,
        "groups": group or [],
        "admin": admin,
        **({} if good_for is None else {"for": good_for.total_seconds()}),
        **({} if name is None else {"name": name}),
    }
    made = call_gateway(lambda client: client.create_sign_in_url(body))
    say(made, made.url, as_json=as_json)


@sessions.command("list")
def list_sessions(
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Only the sessions of this user.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the sessions that are valid now, the newest first."""
    found = call_gateway(lambda client: client.list_sessions(user=user))
    if as_json:
        print(json.dumps([session.model_dump(mode="json") for session in found]))
        return
    if not found:
        print("nobody is signed in")
        return
    fields = Fields(["id", "user", "by", "created", "seen", "expires", "browser"])
    print_list(fields, [_to_record(session) for session in found], now=SystemClock().now())


@sessions.command()
def revoke(
    session_id: Annotated[
        str | None,
        typer.Argument(help="The session's id in `ringback sessions list`.", metavar="ID"),
    ] = None,
    user: Annotated[
        str | None, typer.Option(metavar="USER", help="Revoke all sessions of this user.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Revoke a session, or all sessions of a user.

    It takes effect with the next request of the browser.
    """
    if (session_id is None) == (user is None):
        msg = "give the id of a session, or --user, not both"
        raise typer.BadParameter(msg)
    if session_id is not None:
        revoked = call_gateway(lambda client: client.revoke_session(session_id))
        say(revoked, f"{revoked.id} is revoked", as_json=as_json)
    if user is not None:
        count = call_gateway(lambda client: client.revoke_sessions(user))
        print(json.dumps({"revoked": count}) if as_json else f"{count} sessions are revoked")


def _to_record(session: SessionOut) -> Record:
    return {
        "id": session.id,
        "user": session.user,
        "by": session.signed_in_by,
        "created": session.created_at,
        "seen": session.seen_at,
        "expires": session.expires_at,
        "browser": session.user_agent,
    }
