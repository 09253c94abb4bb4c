"""Checks of an installation: the clocks, and what the gateway talks to."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final, Protocol, runtime_checkable
from urllib.parse import urlsplit

from ringback.app.notifiers import opened_notifiers
from ringback.app.queues import open_broker
from ringback.app.source_files import load_all_sources
from ringback.domain.deadlines import MAX_LEAD
from ringback.domain.durations import format_instant
from ringback.domain.errors import ConfigurationError, QueueUnavailableError
from ringback.ports.clock import Clock
from ringback.settings import Settings
from ringback.sources.queue_config import QueueConfig, QueueKind

WARNED_FROM: Final = timedelta(seconds=1)
"""Synchronized clocks differ by some milliseconds."""

LARGEST_DIFFERENCE: Final = MAX_LEAD
"""A default answer is due this long before Temporal's timeout, so later it may be too late.

Everything else tolerates more, except webhooks of one provider, which may be 5 seconds old.
"""

DATE_HEADER: Final = timedelta(seconds=2)
"""The resolution of `Date`: it has whole seconds, and servers renew it once a second."""


class SuspectError(Exception):
    """Something works, and may soon be wrong; the text says what, and how to fix it."""


@dataclass(frozen=True, slots=True)
class Offset:
    """How far a clock is ahead of this machine's: between `low` and `high`."""

    low: timedelta
    high: timedelta

    def gap(self, other: "Offset") -> timedelta:
        """Return by how much the two clocks differ at least."""
        return max(timedelta(0), self.low - other.high, other.low - self.high)


_THIS_MACHINE: Final = Offset(timedelta(0), timedelta(0))


async def measure(
    read: Callable[[], Awaitable[datetime | None]],
    clock: Clock,
    *,
    resolution: timedelta = timedelta(0),
) -> Offset | None:
    """Read another clock, at some moment of the call; return `None` if it cannot be read.

    Args:
        read: Reads it.
        clock: The clock of this machine.
        resolution: How much later it may be than the reading says.
    """
    began_at = clock.now()
    reading = await read()
    if reading is None:
        return None
    return Offset(reading - clock.now(), reading + resolution - began_at)


def compare(offsets: Mapping[str, Offset], clock: Clock) -> str:
    """Compare this machine's clock and others with each other; say what was compared.

    Raises:
        ConfigurationError: Two differ by more than Ringback tolerates.
        SuspectError: Two differ by more than synchronized clocks do.
    """
    compared = {"this machine": _THIS_MACHINE, **offsets}
    gap, one, other = max(
        (a.gap(b), first, second) for (first, a), (second, b) in combinations(compared.items(), 2)
    )
    said = (
        f"the clocks of {one} and of {other} differ by {gap.total_seconds():.1f} s; synchronize"
        " them, for example with NTP"
    )
    if gap > LARGEST_DIFFERENCE:
        raise ConfigurationError(said)
    if gap > WARNED_FROM:
        raise SuspectError(said)
    return f"{format_instant(clock.now())}, compared with {' and '.join(offsets)}"


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
