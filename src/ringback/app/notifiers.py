"""Notifiers: the channels that the settings configure, and the directory of people."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from pydantic import SecretStr

from ringback.domain.errors import ConfigurationError
from ringback.domain.notification import MAIL, SLACK
from ringback.domain.person import Directory
from ringback.notify.people_file import read_people
from ringback.notify.slack import Slack
from ringback.notify.slack_api import opened_slack
from ringback.ports.clock import Clock
from ringback.ports.notifications import Channel
from ringback.settings import Settings


@dataclass(frozen=True, slots=True)
class Notifiers:
    """What notifies people.

    Attributes:
        directory: The people that the operator configured.
        channels: The channels by name.
        slack: The channel `slack`, if it is configured.
        slack_secrets: The secrets that sign requests of Slack.
    """

    directory: Directory = field(default_factory=Directory)
    channels: Mapping[str, Channel] = field(default_factory=dict)
    slack: Slack | None = None
    slack_secrets: tuple[bytes, ...] = field(default=(), repr=False)


@asynccontextmanager
async def opened_notifiers(settings: Settings, clock: Clock) -> AsyncIterator[Notifiers]:
    """Open the channels of `settings` for the block.

    Raises:
        ConfigurationError: A channel is configured by half, or its setting or file is invalid.
    """
    people = read_people(settings.people_file)
    directory = people.directory
    async with AsyncExitStack() as stack:
        channels: dict[str, Channel] = {}
        mail = _open_mail(settings, directory, clock)
        if mail is not None:
            channels[MAIL] = mail
        slack, secrets = await _open_slack(stack, settings, directory, clock=clock)
        if slack is not None:
            channels[SLACK] = slack
        for name, url in people.channels.items():
            channels[name] = _open_apprise(stack, name, url)
        yield Notifiers(directory, channels, slack, secrets)


def _open_mail(settings: Settings, directory: Directory, clock: Clock) -> Channel | None:
    url, sender = settings.mail_url, settings.mail_from
    if url is None and sender is None:
        return None
    if url is None or sender is None:
        missing = "RINGBACK_MAIL_URL" if url is None else "RINGBACK_MAIL_FROM"
        msg = f"mail is configured by half: set {missing} too"
        raise ConfigurationError(msg)
    try:
        from ringback.notify.mail import Mail, parse_mail_server  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as exc:
        raise _missing(exc, "RINGBACK_MAIL_URL") from exc
    return Mail(parse_mail_server(url.get_secret_value(), sender), directory, clock=clock)


async def _open_slack(
    stack: AsyncExitStack, settings: Settings, directory: Directory, *, clock: Clock
) -> tuple[Slack | None, tuple[bytes, ...]]:
    token, secrets = settings.slack_token, _to_secrets(settings.slack_signing_secrets)
    if token is None and not secrets:
        return None, ()
    if token is None or not secrets:
        missing = "RINGBACK_SLACK_TOKEN" if token is None else "RINGBACK_SLACK_SIGNING_SECRETS"
        msg = f"Slack is configured by half: set {missing} too"
        raise ConfigurationError(msg)
    base_url = str(settings.slack_api)
    opened = opened_slack(token.get_secret_value(), base_url=base_url)
    api = await stack.enter_async_context(opened)
    return Slack(api, directory, clock=clock), secrets


def _to_secrets(text: SecretStr | None) -> tuple[bytes, ...]:
    parts = [] if text is None else text.get_secret_value().split(",")
    return tuple(part.strip().encode() for part in parts if part.strip())


def _open_apprise(stack: AsyncExitStack, name: str, url: str) -> Channel:
    try:
        from ringback.notify.apprise_channel import AppriseChannel  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as exc:
        raise _missing(exc, f"the channel {name} in RINGBACK_PEOPLE_FILE") from exc
    channel = AppriseChannel(name, url)
    stack.callback(channel.close)
    return channel


def _missing(error: ModuleNotFoundError, what: str) -> ConfigurationError:
    return ConfigurationError(f"{what} needs {error.name}; run: pip install 'ringback[notify]'")
