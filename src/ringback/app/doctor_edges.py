"""Checks of what a gateway speaks to besides the store and Temporal. They send and change nothing.

Brokers are only connected to: a sign-in would make some of them hand over messages, or move those
of a running consumer.
"""

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from ringback.app.notifiers import opened_notifiers
from ringback.app.queues import open_broker
from ringback.app.source_files import load_all_sources
from ringback.domain.errors import ConfigurationError, QueueUnavailableError
from ringback.ports.clock import Clock
from ringback.settings import Settings
from ringback.sources.queue_config import QueueConfig, QueueKind

_PORTS: Final = {
    QueueKind.RABBITMQ: 5672,
    QueueKind.NATS: 4222,
    QueueKind.KAFKA: 9092,
    QueueKind.REDIS: 6379,
}
_TLS_PORTS: Final = {"amqps": 5671}


class SkippedError(Exception):
    """There is nothing to check; the text says why."""


@runtime_checkable
class CheckedChannel(Protocol):
    """A channel that can be checked without sending."""

    async def check(self) -> str | None:
        """Connect and sign in; return why that fails."""
        ...


async def check_channels(settings: Settings, clock: Clock) -> str:
    """Connect to each channel that notifies people, and sign in.

    Raises:
        SkippedError: None is configured.
        ConfigurationError: One cannot be used; the message says which, and why.
    """
    async with opened_notifiers(settings, clock) as notifiers:
        channels = notifiers.channels
        if not channels:
            msg = "no channel is configured; set RINGBACK_MAIL_URL or RINGBACK_SLACK_TOKEN for one"
            raise SkippedError(msg)
        checked = {n: one for n, one in channels.items() if isinstance(one, CheckedChannel)}
        reasons = await asyncio.gather(*(one.check() for one in checked.values()))
    wrong = [f"{name}: {why}" for name, why in zip(checked, reasons, strict=True) if why]
    if wrong:
        msg = f"{'; '.join(wrong)}; correct its settings, then run: ringback notify test"
        raise ConfigurationError(msg)
    others = sorted(set(channels) - set(checked))
    found = [f"{_names(checked)} can be used"] if checked else []
    if others:
        found.append(
            f"the URL of {', '.join(others)} is valid; only a message shows whether it works:"
            " ringback notify test"
        )
    return "; ".join(found)


async def check_sources(settings: Settings) -> str:
    """Read the sources with their rules and secrets.

    Raises:
        SkippedError: None is configured.
        ConfigurationError: Something is wrong; the message names all of it.
    """
    sources, _ = await asyncio.to_thread(load_all_sources, settings)
    if not sources:
        msg = "no source is configured; a table [sources.NAME] adds one"
        raise SkippedError(msg)
    return f"the rules and secrets of {_names(sources)} can be used"


async def check_queues(settings: Settings) -> str:
    """Connect to the broker of each queue.

    Raises:
        SkippedError: None is configured.
        ConfigurationError: A queue is configured wrongly, or its driver is not installed.
        QueueUnavailableError: A broker cannot be reached.
    """
    _, queues = await asyncio.to_thread(load_all_sources, settings)
    if not queues:
        msg = "no queue is configured; a table [queues.NAME] adds one"
        raise SkippedError(msg)
    for config in queues.values():
        open_broker(config)
    reasons = await asyncio.gather(*map(_connect, queues.values()))
    wrong = [f"{name}: {why}" for name, why in zip(queues, reasons, strict=True) if why]
    if wrong:
        msg = f"{'; '.join(wrong)}; start the broker, or correct its URL"
        raise QueueUnavailableError(msg)
    return f"the brokers of {_names(queues)} can be reached; `ringback status` shows the sign-in"


async def _connect(config: QueueConfig) -> str | None:
    """Return why none of the addresses of a broker can be connected to."""
    why: str | None = "its URL has no host"
    # Kafka and NATS take several addresses.
    for place in config.url.split(","):
        url = urlsplit(place if "://" in place else f"//{place}")
        if not url.hostname:
            continue
        port = url.port or _TLS_PORTS.get(url.scheme, _PORTS[config.kind])
        why = await _try(url.hostname, port)
        if why is None:
            return None
    return why


async def _try(host: str, port: int) -> str | None:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError as exc:
        return f"{host}:{port} cannot be reached ({exc.strerror or type(exc).__name__})"
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
    return None


def _names(found: Iterable[str]) -> str:
    return ", ".join(sorted(found))
