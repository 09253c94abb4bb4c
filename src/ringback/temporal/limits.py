"""Limits: what Temporal stores unabridged, checked before anything is sent.

Above them it replies OK, and then fails the activity or truncates the failure (observed on server
1.32). Sizes are those on the wire: after the data converter and its codec.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from ringback.domain.errors import AnswerTooLargeError, TemporalUnreachableError
from ringback.temporal.encoding import Cancellation, Encoded, Result
from ringback.temporal.requests import describe_namespace
from ringback.temporal.rpc import in_time, to_error

DEFAULT_BLOB_LIMIT: Final = 2 * 1024 * 1024
"""The default limit of a server."""

RETRYABLE_FAILURE_LIMIT: Final = 4096
"""The server's limit for a retryable failure; the namespace does not show it."""

SURELY_TAKEN: Final = 4096
"""Sizes that are accepted without reading the limit: no server works with a smaller limit."""

_FRESH_FOR: Final = timedelta(minutes=5)
_ASK_AGAIN_AFTER: Final = timedelta(seconds=5)
_ASK_FOR: Final = timedelta(seconds=1)
_AHEAD: Final = timedelta(seconds=1)

_NO_ANSWER: Final = frozenset({
    RPCStatusCode.CANCELLED,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.UNAVAILABLE,
    RPCStatusCode.UNKNOWN,
})
"""Errors that mean no reply. After any other error, such as a rejection, the default applies."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A namespace's limit, how long it is valid, whether it is a guess, and why."""

    limit: int
    until: float
    is_guess: bool = False
    reason: str = ""


class NamespaceLimits:
    """The limits of one server's namespaces."""

    def __init__(
        self,
        client: Client,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Read limits through `client`, and cache them for some minutes."""
        self._service = client.workflow_service
        self._namespace = client.namespace
        self._monotonic = monotonic
        self._sleep = sleep
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def run(self) -> None:
        """Refresh limits before they expire, until canceled.

        Otherwise the first check after some minutes waits, for seconds if Temporal hangs.
        """
        await self._refresh(self._namespace, None)
        while True:
            await self._sleep(_AHEAD.total_seconds())
            soon = self._monotonic() + 2 * _AHEAD.total_seconds()
            for namespace, known in list(self._known.items()):
                if known.until <= soon:
                    await self._refresh(namespace, known)

    async def check(self, namespace: str, encoded: Encoded | Payloads) -> None:
        """Check that Temporal stores `encoded`, with its signature, unabridged.

        Raises:
            AnswerTooLargeError: Temporal would truncate it, or fail the activity because of it.
        """
        check_size(encoded, await self.blob_limit(namespace))

    async def check_to_send(self, namespace: str, encoded: Encoded | Payloads) -> None:
        """Check what is sent next: like `check`, but a guessed limit is not enough.

        Raises:
            AnswerTooLargeError: Temporal would truncate it, or fail the activity because of it.
            TemporalUnreachableError: The limit cannot be read now.
        """
        known = await self._find(namespace)
        if known.is_guess:
            known = await self._refresh(namespace, known)
        if known.is_guess:
            msg = f"could not read the namespace's payload limit: {known.reason}"
            raise TemporalUnreachableError(msg)
        check_size(encoded, known.limit)

    async def blob_limit(self, namespace: str) -> int:
        """Return the maximum size of a result, details or final failure of `namespace`, in bytes.

        While Temporal is unreachable, it is the last known limit or the default, and is read again
        after some seconds. Only one caller waits for that.
        """
        return (await self._find(namespace)).limit

    def allow(self, namespace: str, size: int) -> bool:
        """Return whether `namespace` is known to accept `size` bytes, without a request."""
        known = self._known.get(namespace)
        if known is None:
            return size <= SURELY_TAKEN
        is_believed = self._is_believed(namespace, known)
        return size <= (known.limit if is_believed else min(SURELY_TAKEN, known.limit))

    async def _find(self, namespace: str) -> _Known:
        known = self._known.get(namespace)
        if known is not None and self._is_believed(namespace, known):
            return known
        return await self._refresh(namespace, known)

    def _is_believed(self, namespace: str, known: _Known) -> bool:
        is_asked_now = namespace in self._asking and self._asking[namespace].locked()
        return is_asked_now or self._monotonic() < known.until

    async def _refresh(self, namespace: str, known: _Known | None) -> _Known:
        """Read the limit, unless another task has since `known` was found."""
        async with self._asking.setdefault(namespace, asyncio.Lock()):
            if self._known.get(namespace) is known:
                self._known[namespace] = await self._ask(namespace, known)
            return self._known[namespace]

    async def _ask(self, namespace: str, known: _Known | None) -> _Known:
        try:
            answer = await in_time(describe_namespace(self._service, namespace), within=_ASK_FOR)
        except (RPCError, RuntimeError) as exc:
            limit = DEFAULT_BLOB_LIMIT if known is None else known.limit
            is_guess = not isinstance(exc, RPCError) or exc.status in _NO_ANSWER
            until = self._monotonic() + _ASK_AGAIN_AFTER.total_seconds()
            return _Known(limit, until, is_guess=is_guess, reason=str(to_error(exc)))
        name = answer.namespace_info.limits.blob_size_limit_error
        limit = name or DEFAULT_BLOB_LIMIT
        return _Known(limit, self._monotonic() + _FRESH_FOR.total_seconds())


_SEND_LESS: Final = "store it elsewhere, and answer with its location"
_NO_RETRY: Final = "send less, or set non_retryable if the failure is final"


def check_size(encoded: Encoded | Payloads, limit: int) -> None:
    """Check that `encoded` is not larger than Temporal stores; `limit` is the blob limit.

    The smaller limit of retryable failures applies unless the failure is non-retryable: only
    Temporal knows whether this is the last attempt.

    Raises:
        AnswerTooLargeError: It is larger; the message says what to do.
    """
    match encoded:
        case Failure() if not encoded.application_failure_info.non_retryable:
            retryable_limit = min(limit, RETRYABLE_FAILURE_LIMIT)
            _check(encoded.ByteSize(), retryable_limit, "a failure to retry", advice=_NO_RETRY)
        case Failure():
            _check(encoded.ByteSize(), limit, "the failure", advice=_SEND_LESS)
        case Result(payloads):
            _check(_size(payloads), limit, "the result", advice=_SEND_LESS)
        case Cancellation(payloads) | payloads:
            _check(_size(payloads), limit, "the details", advice=_SEND_LESS)


def check_or_shorten(encoded: Encoded, limit: int) -> None:
    """Check like `check_size`, and remove the stack traces of a failure that is too large.

    Raises:
        AnswerTooLargeError: It is still too large; the message says what to do.
    """
    try:
        check_size(encoded, limit)
    except AnswerTooLargeError:
        if not isinstance(encoded, Failure):
            raise
        _remove_stack_traces(encoded)
        check_size(encoded, limit)


def _remove_stack_traces(failure: Failure) -> None:
    while True:
        failure.ClearField("stack_trace")
        if not failure.HasField("cause"):
            return
        failure = failure.cause


def _size(payloads: Payloads | None) -> int:
    return 0 if payloads is None else payloads.ByteSize()


def _check(size: int, limit: int, what: str, *, advice: str) -> None:
    if size > limit:
        name = f"{what}, {size} bytes as it goes to Temporal,"
        raise AnswerTooLargeError(limit, name, advice=advice)
