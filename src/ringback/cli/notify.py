"""Commands for messages to people."""

from typing import Annotated, Final

import typer

from ringback.app.program import run
from ringback.cli.gateway import operator_client
from ringback.cli.params import AsJson
from ringback.domain.errors import GatewayRefusedError
from ringback.schemas.notifications import ChannelTestOut

notify: Final = typer.Typer(help="Test the channels that notify people.", no_args_is_help=True)


@notify.callback()
def _group() -> None:
    """Keep the name of the only command."""


@notify.command("test")
def send_test(
    channel: Annotated[
        str, typer.Argument(help="mail, slack:#finance, or a configured name.", metavar="CHANNEL")
    ],
    to: Annotated[
        str | None,
        typer.Option(help="The recipient: an address for mail; #channel or @user for Slack."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Send a test message through the gateway, and print the result."""
    tested = run(_test(channel, to))
    if as_json:
        print(tested.model_dump_json())
    elif tested.sent:
        print(f"sent through {channel}")
    if not tested.sent:
        raise GatewayRefusedError(tested.error or "not sent", status=200, title="not sent")


async def _test(channel: str, to: str | None) -> ChannelTestOut:
    async with operator_client() as client:
        return await client.test_channel(channel, to)
