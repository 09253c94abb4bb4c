"""RPC: how to send a request to Temporal's service, its timeout and its errors."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

from google.protobuf.message import Message
from temporalio.service import RPCError

from ringback.domain.callback import ActivityExecution
from ringback.temporal.translate import to_error

T = TypeVar("T")

TIMEOUT: Final = timedelta(seconds=5)
"""The default timeout of a request, shorter than a delivery's lease."""

_MARGIN: Final = timedelta(milliseconds=500)

Request: TypeAlias = Callable[[timedelta], Awaitable[T]]
"""A request that can be sent more than once; the argument is the timeout of this one try."""

Metadata: TypeAlias = Mapping[str, str | bytes]
"""Headers of requests."""

NO_METADATA: Final[Metadata] = MappingProxyType({})


def to_request(
    call: Callable[..., Awaitable[T]], message: Message, metadata: Metadata = NO_METADATA
) -> Request[T]:
    """Return the request that sends `message` by `call`, a method of the SDK's service.

    The SDK's own retries are off: they would hide that an earlier try was applied.
    """

    def send(within: timedelta) -> Awaitable[T]:
        return call(message, metadata=dict(metadata), timeout=within)

    return send


async def in_time(request: Request[T], *, within: timedelta = TIMEOUT) -> T:
    """Send a request, and return its response.

    It takes hardly longer than `within`, connected or not. A lazy client connects with its first
    request, which takes up to half a minute if the server is silent, and later requests queue for
    the same (temporalio 1.35).

    Raises:
        RPCError: The server's error, untranslated; or it did not reply.
        RuntimeError: It could not connect in time; the SDK raises the same if it is refused.
    """
    try:
        async with asyncio.timeout((within + _MARGIN).total_seconds()):
            return await request(within)
    except TimeoutError as exc:
        msg = "no connection in time"
        raise RuntimeError(msg) from exc


@contextmanager
def translated(about: ActivityExecution | None = None) -> Iterator[None]:
    """Raise the server's errors `about` an activity as Ringback's errors."""
    try:
        yield
    except (RPCError, RuntimeError) as exc:
        error = to_error(exc, about)
        raise error from exc
