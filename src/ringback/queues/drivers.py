"""What the drivers of all brokers share: time limits, errors without secrets, headers."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final
from urllib.parse import unquote

from ringback.core.services import task_group
from ringback.domain.errors import QueueUnavailableError
from ringback.ports.queue import QueueMessage

TIMEOUT: Final = 10.0
"""Seconds that one reply of a broker may take."""

HEARTBEAT: Final = 7
"""Seconds between two heartbeats. A broker that misses three is taken for lost."""

_CLOSE_TIMEOUT: Final = 5.0

_SEPARATOR: Final = re.compile(",(?=[a-z+]+://)")
_END_OF_HOSTS: Final = re.compile("[/?#]")

_MOST_HEADERS: Final = 100
_LONGEST_HEADER: Final = 64 * 1024


class QueueAddress:
    """A queue of a broker, as an error names it: without user, password and options."""

    def __init__(self, product: str, url: str, queue: str) -> None:
        """Name `queue` at the server of `url`, which runs `product`."""
        self._text = f"{queue} of {product} at {_address(url)}"
        self._secrets = _secrets(url)

    def error(self, reason: object) -> QueueUnavailableError:
        """Return an error with this reason, in which the password is hidden."""
        said = (str(reason) or type(reason).__name__).strip()
        for secret in self._secrets:
            said = said.replace(secret, "***")
        return QueueUnavailableError(f"cannot read {self._text}: {said}")

    @asynccontextmanager
    async def reached(
        self, *errors: type[Exception], seconds: float = TIMEOUT
    ) -> AsyncIterator[None]:
        """Limit the block's time, and raise `errors` of a driver as the port's error.

        Raises:
            QueueUnavailableError: The block took too long, or raised one of `errors`.
        """
        failures: tuple[type[Exception], ...] = (OSError, *errors)
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError:
            reason = f"it did not reply in {seconds:g} seconds"
            raise self.error(reason) from None
        except failures as exc:
            raise self.error(exc) from None


def _address(url: str) -> str:
    """Return the hosts and ports of one URL, or of several that are separated by commas."""
    hosts = (_without_scheme(one).rpartition("@")[2] for one in _SEPARATOR.split(url))
    return ",".join(_END_OF_HOSTS.split(one, maxsplit=1)[0] for one in hosts)


def _secrets(url: str) -> list[str]:
    """Return the passwords and options of a URL as a driver may quote them, longest first."""
    found = {url}
    for one in _SEPARATOR.split(url):
        user, colon, password = _without_scheme(one).rpartition("@")[0].partition(":")
        # Without a password, a user of NATS is a token.
        secret = password if colon else user
        found |= {secret, unquote(secret), one.partition("?")[2]}
    return sorted(found - {""}, key=len, reverse=True)


def _without_scheme(url: str) -> str:
    return url.partition("://")[2] or url


async def close(work: Awaitable[object], *errors: type[Exception]) -> None:
    """Close a connection in a bounded time; a broken one is as good as closed."""
    with suppress(OSError, TimeoutError, *errors):
        async with asyncio.timeout(_CLOSE_TIMEOUT):
            await work


def to_headers(pairs: Iterable[tuple[object, object]]) -> dict[str, str]:
    """Return the headers with text values by lower-case name; drop the others.

    A value that is longer than 64 KiB, and what follows the hundredth header, is dropped too. The
    first header of a name counts.
    """
    headers: dict[str, str] = {}
    for name, value in pairs:
        if len(headers) >= _MOST_HEADERS:
            break
        texts = (_to_text(name), _to_text(value))
        if texts[0] is not None and texts[1] is not None:
            headers.setdefault(texts[0].lower(), texts[1])
    return headers


def _to_text(value: object) -> str | None:
    if isinstance(value, bytes | bytearray):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return None
    if not isinstance(value, str) or len(value) > _LONGEST_HEADER:
        return None
    try:
        is_short = len(value.encode()) <= _LONGEST_HEADER
    except UnicodeEncodeError:
        # A driver has put bytes that are no text into a `str`.
        return None
    return value if is_short else None


class Buffer:
    """Messages that a broker has pushed and the consumer has not received yet."""

    def __init__(self) -> None:
        self._messages: deque[QueueMessage] = deque()
        self._changed = asyncio.Event()
        self._failure: QueueUnavailableError | None = None

    def put(self, message: QueueMessage) -> None:
        """Add a message."""
        self._messages.append(message)
        self._changed.set()

    def clear(self) -> None:
        """Forget the messages: the broker sends them again."""
        self._messages.clear()

    def fail(self, error: QueueUnavailableError) -> None:
        """End the connection: the broker sends the messages again on the next one."""
        self._failure = self._failure or error
        self.clear()
        self._changed.set()

    def check(self) -> None:
        """Raise the error that ended the connection, if one did.

        Raises:
            QueueUnavailableError: It did.
        """
        if self._failure is not None:
            raise QueueUnavailableError(str(self._failure))

    async def take(self, limit: int) -> list[QueueMessage]:
        """Wait until there are messages; return at most `limit`."""
        while not self._messages:
            self.check()
            self._changed.clear()
            await self._changed.wait()
        return [self._messages.popleft() for _ in range(min(limit, len(self._messages)))]


async def run_until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Run all until the first of them ends, then cancel the others."""
    async with task_group() as group:
        tasks = [group.create_task(work) for work in works]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


def monotonic_seconds() -> float:
    """Return the time of the event loop, which only increases."""
    return asyncio.get_running_loop().time()
