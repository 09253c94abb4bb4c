"""RPC: how a request to Temporal's service is made, how long it may take, and what it raises."""

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
"""For how long a request may take: shorter than a delivery's lease."""

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

    The SDK is never asked to retry by itself: it would hide that an earlier try was applied.
    """

    def send(within: timedelta) -> Awaitable[T]:
        return call(message, metadata=dict(metadata), timeout=within)

    return send


async def in_time(request: Request[T], *, within: timedelta = TIMEOUT) -> T:
    """Send a request, and return its response.

    It takes hardly longer than `within`, whether the client is connected or not. One that connects
    lazily does so with its first request, for up to half a minute where the server says nothing,
    and the requests behind it wait for their turn to try the same (temporalio 1.35).

    Raises:
        RPCError: The server's answer, untranslated; or that there was none.
        RuntimeError: It could not connect in time; the SDK raises the same where it is refused.
    """
    try:
        async with asyncio.timeout((within + _MARGIN).total_seconds()):
            return await request(within)
    except TimeoutError as exc:
        msg = "no connection in time"
        raise RuntimeError(msg) from exc


@contextmanager
def translated(about: ActivityExecution | None = None) -> Iterator[None]:
    """Raise what the server says `about` an activity as one of Ringback's errors."""
    try:
        yield
    except (RPCError, RuntimeError) as exc:
        error = to_error(exc, about)
        raise error from exc
