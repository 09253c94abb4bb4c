"""Commands for messages to people."""

import json
from typing import Annotated, Final

import typer

from ringback.app.credentials import load_webhook_secrets
from ringback.cli.gateway import call_gateway
from ringback.cli.params import AsJson
from ringback.domain.errors import ConfigurationError, GatewayRefusedError
from ringback.notify.webhook import from_secret
from ringback.settings import load_settings

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
    tested = call_gateway(lambda client: client.test_channel(channel, to))
    if as_json:
        print(tested.model_dump_json())
    elif tested.sent:
        print(f"sent through {channel}")
    if not tested.sent:
        raise GatewayRefusedError(tested.error or "not sent", status=200, title="not sent")


def webhook_secret(as_json: AsJson = False) -> None:
    """Print the secret that signs webhooks.

    Their receivers need it. Several secrets are printed one per line; each of them signs.
    """
    texts = [from_secret(secret) for secret in load_webhook_secrets(load_settings())]
    if not texts:
        msg = "no webhook secret is set: set RINGBACK_WEBHOOK_SECRETS (see the settings)"
        raise ConfigurationError(msg)
    print(json.dumps({"secrets": texts}) if as_json else "\n".join(texts))
