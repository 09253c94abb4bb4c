"""How requests to the server are made."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, TypeVar

from temporalio.service import RPCError

from ringback.domain.callback import ActivityExecution
from ringback.temporal.translate import to_error

TIMEOUT: Final = timedelta(seconds=5)
"""For how long a request may take: shorter than a delivery's lease."""

_MARGIN: Final = timedelta(milliseconds=500)

T = TypeVar("T")


async def in_time(
    call: Callable[..., Awaitable[T]], *request: object, within: timedelta = TIMEOUT
) -> T:
    """Make a request by `call`, a method of the SDK's, and return its answer.

    It takes hardly longer than `within`, whether the client is connected or not. One that connects
    lazily does so with its first request, for up to half a minute where the server says nothing,
    and the requests behind it wait for their turn to try the same (temporalio 1.35).

    Raises:
        RuntimeError: It could not connect in time; the SDK raises the same where it is refused.
    """
    try:
        async with asyncio.timeout((within + _MARGIN).total_seconds()):
            return await call(*request, timeout=within)
    except TimeoutError as exc:
        msg = "no connection in time"
        raise RuntimeError(msg) from exc


@contextmanager
def translated(about: ActivityExecution | None = None) -> Iterator[None]:
    """Raise what the server says `about` an activity as one of Ringback's errors.

    The SDK is never asked to retry by itself: it would hide that an earlier try was applied, and
    the deliverer has its own back-off.
    """
    try:
        yield
    except (RPCError, RuntimeError) as exc:
        error = to_error(exc, about)
        raise error from exc
