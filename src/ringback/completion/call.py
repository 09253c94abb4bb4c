"""A call: one method call of the completion client, in several tries if necessary.

If a reply is lost, the request may have been applied, and the next try may return "not found" for
that reason. So each call has its own identity, which Temporal records, and a "not found" after a
lost reply is looked up first.
"""

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from temporalio.activity import ActivityCancellationDetails
from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from ringback.completion.outcome_lookup import LookupResult, OutcomeLookup
from ringback.completion.refs import ActivityRef, Target, to_execution
from ringback.completion.retry import Tries, TryFailure, classify, quote
from ringback.domain.activity_state import HeartbeatResponse
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
    CompletionRefusedError,
    CompletionUnansweredError,
    CompletionUnprovenError,
)
from ringback.domain.durations import check_duration
from ringback.domain.errors import RingbackError
from ringback.temporal.encoding import Encoded, to_failure
from ringback.temporal.namespaces import OwnNamespace
from ringback.temporal.requests import ActivityRequests, Address
from ringback.temporal.rpc import Request, ServiceError
from ringback.temporal.token import read_token

T = TypeVar("T")


async def find_address(activity: Target, own: OwnNamespace) -> Address:
    """Return the address of `activity`, for a client whose namespace is `own`.

    Raises:
        UnusableTokenError: It is not a token of an activity in the client's namespace.
        TypeError: It is neither a token nor ids.
    """
    match activity:
        case ActivityRef():
            return Address(to_execution(activity, own.name))
        case bytes() | bytearray() | memoryview():
            task_token = bytes(activity)
            token = read_token(task_token)
            await own.check(token)
            return Address(token.to_execution(own.name), task_token, token)
        case _:
            msg = f"pass a task token as bytes, or an ActivityRef, not {type(activity)}"
            raise TypeError(msg)


async def encode_error(converter: DataConverter, error: BaseException, address: Address) -> Failure:
    """Encode `error` as the SDK does.

    Exceptions of the converter or its codec are raised unchanged.

    Raises:
        CompletionRefusedError: Temporal does not accept this kind of error by token.
        TypeError: It is not an exception; create one with `fail_with`.
        ValueError: Its `next_retry_delay` is negative or longer than ten years; correct it.
    """
    if not isinstance(error, BaseException):
        msg = (
            "an activity fails with an exception, for example of fail_with(type, message), "
            f"not with {type(error).__name__}"
        )
        raise TypeError(msg)
    if isinstance(error, ApplicationError):
        check_duration("next_retry_delay", error.next_retry_delay, may_be_zero=True)
    failure = await to_failure(converter, error)
    if address.task_token is not None and not failure.HasField("application_failure_info"):
        msg = (
            f"Temporal does not accept {type(error).__name__} by task token; report a cancellation "
            "instead, or fail with an ApplicationError"
        )
        raise CompletionRefusedError(msg)
    return failure


class Call:
    """One call about one activity."""

    def __init__(
        self,
        address: Address,
        tries: Tries,
        *,
        identity: str,
        requests: ActivityRequests,
        lookup: OutcomeLookup,
    ) -> None:
        """Send `requests` to `address` as `identity`; after a lost reply, use `lookup`."""
        self.address = address
        self.identity = identity
        self.lookup = lookup
        self.is_in_doubt = False
        self._requests = requests
        self._tries = tries

    async def encode(self, encoding: Awaitable[T]) -> T:
        """Return the result of the data converter.

        Raises:
            EncodingError: The converter did not return in time, and nothing was sent.
        """
        return await self._tries.encode(encoding)

    async def end(self, encoded: Encoded, last_details: Payloads | None = None) -> None:
        """End the activity with `encoded`.

        Raises:
            ActivityNotFoundError: It was ended by another caller, or never existed.
            ActivityResetError: The token is invalid, since the activity was reset.
            CompletionRefusedError: Temporal rejected the call.
            CompletionUnansweredError: There was no reply in time.
            CompletionUnprovenError: It has ended, and it cannot be proved by which caller.
        """
        request = self._requests.end(encoded, last_details)
        prove = partial(self.lookup.find_proof, encoded, self.identity)
        while True:
            try:
                await self._tries.make(request)
            except (RPCError, RuntimeError) as exc:
                if not await self._was_applied(exc, prove):
                    continue
            return

    async def heartbeat(self, details: Payloads | None) -> HeartbeatResponse:
        """Record a heartbeat, and return Temporal's reply.

        Raises:
            ActivityNotFoundError: It has ended, or never existed.
            ActivityResetError: The token is invalid, since the activity was reset.
            CompletionRefusedError: Temporal rejected the call.
            CompletionUnansweredError: There was no reply in time.
        """
        request = self._requests.heartbeat(details)
        while True:
            try:
                return await self._tries.make(request)
            except (RPCError, RuntimeError) as exc:
                # Recording the same heartbeat twice does no harm.
                self.is_in_doubt |= self._classify(exc) is TryFailure.LOST
                await self._before_the_next(exc)

    async def read(self, request: Request[T]) -> T:
        """Return the reply to a request that changes nothing.

        Raises:
            ActivityNotFoundError: The activity does not exist.
            CompletionRefusedError: Temporal rejected the request.
            CompletionUnansweredError: There was no reply in time.
        """
        try:
            return await self._tries.read(request)
        except (RPCError, RuntimeError) as exc:
            raise self._error(exc) from exc

    def unanswered(self, why: str) -> CompletionUnansweredError:
        """Return the error of a call that timed out."""
        doubt = "; it may have been applied" if self.is_in_doubt else ""
        is_open = self.is_in_doubt and not self.address.is_fenced
        advice = "; with a run id it would be repeated safely" if is_open else ""
        return CompletionUnansweredError(
            f"Temporal did not reply ({why}){doubt}{advice}",
            may_be_applied=self.is_in_doubt,
            identity=self.identity,
        )

    async def _was_applied(self, exc: ServiceError, prove: Request[LookupResult]) -> bool:
        """Return whether the call was applied despite the error; if not, it may be tried again."""
        failure = self._classify(exc)
        if failure is TryFailure.GONE and self.is_in_doubt:
            return await self._settle(exc, prove)
        self.is_in_doubt |= failure is TryFailure.LOST
        if not self.is_in_doubt:
            await self._before_the_next(exc)
            return False
        return await self._was_applied_in_doubt(exc, prove)

    async def _was_applied_in_doubt(self, exc: ServiceError, prove: Request[LookupResult]) -> bool:
        if self._classify(exc) is TryFailure.REFUSED:
            raise self._error(exc) from exc
        has_time = await self._tries.pause()
        if has_time and self.address.task_token is not None:
            # A token belongs to one attempt: a repeat cannot reach anything else.
            return False
        match await self._look_up(prove):
            case LookupResult.APPLIED:
                return True
            case LookupResult.NOT_APPLIED if has_time and self.address.is_fenced:
                return False
            case LookupResult.NOTHING:
                raise self._unproven() from exc
            case LookupResult.NOT_APPLIED | None:
                # By ids a repeat could reach the next run, a later attempt, or the next activity.
                raise self._error(exc) from exc

    async def _settle(self, exc: ServiceError, prove: Request[LookupResult]) -> bool:
        match await self._look_up(prove):
            case LookupResult.APPLIED:
                return True
            case LookupResult.NOT_APPLIED:
                raise await self._gone(exc) from exc
            case LookupResult.NOTHING | None:
                raise self._unproven() from exc

    async def _look_up(self, prove: Request[LookupResult]) -> LookupResult | None:
        """Return what Temporal shows; `None` if Temporal cannot be reached."""
        try:
            return await self._tries.read(prove)
        except (RPCError, RuntimeError):
            return None

    def _unproven(self) -> CompletionUnprovenError:
        msg = (
            "the reply was lost, and it cannot be proved whether the call was applied; "
            f"its identity was {self.identity!r}"
        )
        return CompletionUnprovenError(msg, identity=self.identity)

    async def _before_the_next(self, exc: ServiceError) -> None:
        """Wait before the next try, or raise the error if there is none."""
        if self._classify(exc) is TryFailure.GONE:
            raise await self._gone(exc) from exc
        is_final = self._classify(exc) is TryFailure.REFUSED
        if is_final or not await self._tries.pause():
            raise self._error(exc) from exc

    async def _gone(self, exc: ServiceError) -> RingbackError:
        if await self._was_reset():
            msg = "the activity was reset, which made this token invalid; use the activity's ids"
            return ActivityResetError(msg, ActivityCancellationDetails(reset=True))
        return self._error(exc)

    async def _was_reset(self) -> bool:
        try:
            return await self._tries.read(self.lookup.was_reset)
        except (RPCError, RuntimeError):
            return False

    def _classify(self, exc: ServiceError) -> TryFailure:
        return classify(exc, self.address.execution)

    def _error(self, exc: ServiceError) -> RingbackError:
        match self._classify(exc):
            case TryFailure.GONE:
                return ActivityNotFoundError(f"no such activity waits: {quote(exc)}")
            case TryFailure.REFUSED:
                return CompletionRefusedError(f"Temporal rejected the call: {quote(exc)}")
            case TryFailure.NOT_TAKEN | TryFailure.LOST:
                return self.unanswered(quote(exc))


Stop = ActivityCancelledError | ActivityPausedError | ActivityResetError

_STOPS: Final[dict[str, Callable[[ActivityCancellationDetails], Stop]]] = {
    "cancel_requested": partial(ActivityCancelledError, "the activity was asked to cancel"),
    "paused": partial(ActivityPausedError, "the activity is paused"),
    "reset": partial(ActivityResetError, "the activity was reset"),
}
"""The error for each reply to a heartbeat; the first one wins."""


def raise_if_asked_to_stop(response: HeartbeatResponse) -> None:
    """Raise the error for the reply to a heartbeat.

    Raises:
        ActivityCancelledError: The activity was asked to cancel.
        ActivityPausedError: An operator paused it.
        ActivityResetError: An operator reset it.
    """
    details = ActivityCancellationDetails(
        cancel_requested=response.cancel_requested, paused=response.paused, reset=response.reset
    )
    for name, error in _STOPS.items():
        if getattr(details, name):
            raise error(details)
