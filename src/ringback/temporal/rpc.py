"""RPC: how to send a request to Temporal's service, its timeout and its errors as Ringback's."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

from google.protobuf.message import Message
from temporalio.api.errordetails.v1 import (
    NamespaceInvalidStateFailure,
    NamespaceNotActiveFailure,
    NamespaceNotFoundFailure,
    PermissionDeniedFailure,
)
from temporalio.service import RPCError, RPCStatusCode

from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import (
    ActivityGoneError,
    RefusedByTemporalError,
    RingbackError,
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)

ServiceError: TypeAlias = RPCError | RuntimeError
"""The errors of a request: the server's, no reply, or no connection."""

ERRORS: Final[dict[RPCStatusCode, type[RingbackError]]] = {
    RPCStatusCode.NOT_FOUND: ActivityGoneError,
    RPCStatusCode.INVALID_ARGUMENT: RefusedByTemporalError,
    RPCStatusCode.FAILED_PRECONDITION: RefusedByTemporalError,
    # A server that is not Temporal, or too old for the feature, lacks it too.
    RPCStatusCode.UNIMPLEMENTED: TemporalMisconfiguredError,
    RPCStatusCode.PERMISSION_DENIED: TemporalMisconfiguredError,
    RPCStatusCode.UNAUTHENTICATED: TemporalMisconfiguredError,
    RPCStatusCode.RESOURCE_EXHAUSTED: TemporalBusyError,
}
"""Errors that are not listed may be transient: they become `TemporalUnreachableError`."""

_WRONG_SERVER: Final = (
    NamespaceInvalidStateFailure,
    NamespaceNotActiveFailure,
    NamespaceNotFoundFailure,
    PermissionDeniedFailure,
)
"""Error details that concern the namespace or the gateway, not the activity."""

_OTHER_NAMESPACE: Final = "a token from a different namespace"
_TOO_LARGE: Final = "larger than max"
_HAS_ENDED: Final = "invalid transition"


def to_error(exc: ServiceError, about: ActivityExecution | None = None) -> RingbackError:
    """Return Ringback's error for a failed request `about` an activity.

    A client that cannot connect raises `RuntimeError`; errors of the server are `RPCError`s.
    """
    if not isinstance(exc, RPCError):
        return TemporalUnreachableError(f"Temporal cannot be reached: {exc}")
    if exc.status is RPCStatusCode.RESOURCE_EXHAUSTED and _TOO_LARGE in exc.message:
        return RefusedByTemporalError(exc.message)
    if _is_the_wrong_server(exc):
        return TemporalMisconfiguredError(f"{exc.status.name}: {exc.message}")
    if about is not None and about.is_standalone and _says_it_has_ended(exc):
        return ActivityGoneError(f"{exc.status.name}: {exc.message}")
    wanted = ERRORS.get(exc.status, TemporalUnreachableError)
    return wanted(f"{exc.status.name}: {exc.message}")


def _says_it_has_ended(exc: RPCError) -> bool:
    # The reply to a completion of a standalone activity by ids; otherwise NOT_FOUND (server 1.32).
    return exc.status is RPCStatusCode.FAILED_PRECONDITION and _HAS_ENDED in exc.message


def _is_the_wrong_server(exc: RPCError) -> bool:
    if exc.status is RPCStatusCode.INVALID_ARGUMENT and _OTHER_NAMESPACE in exc.message:
        return True
    details = exc.grpc_status.details
    return any(detail.Is(kind.DESCRIPTOR) for detail in details for kind in _WRONG_SERVER)


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


_CLOSED: Final = frozenset({"operation was canceled", "h2 protocol error: http2 error"})
"""Errors of a connection that the server closes while a request is on its way.

It closes each one after some minutes (`frontend.keepAliveMaxConnectionAge`; with one second, 4 in
10,000 requests failed so with server 1.32 and temporalio 1.35, which does not send them again).
"""


def to_read(
    call: Callable[..., Awaitable[T]], message: Message, metadata: Metadata = NO_METADATA
) -> Request[T]:
    """Return a request like `to_request` that changes nothing.

    It is sent once more if the server closes the connection meanwhile.
    """
    request = to_request(call, message, metadata)

    async def send(within: timedelta) -> T:
        try:
            return await request(within)
        except RPCError as exc:
            if exc.message not in _CLOSED:
                raise
            return await request(within)

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
