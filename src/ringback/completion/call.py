"""A call: what one method of the completion client does, in several tries if it must.

A reply that is lost leaves open whether the request was applied; the next try may then be answered
"not found" for that very reason. So each call goes by an identity of its own, which Temporal keeps,
and a "not found" after a lost reply is looked up before it is believed.
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

from ringback.completion.outcome_lookup import OutcomeLookup, Proof
from ringback.completion.refs import ActivityRef, Target, to_execution
from ringback.completion.retry import Tries, TryFailure, classify, quote
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
from ringback.ports.activities import HeartbeatResponse
from ringback.temporal.encoding import Encoded, to_failure
from ringback.temporal.namespaces import OwnNamespace
from ringback.temporal.requests import ActivityRequests, Address
from ringback.temporal.rpc import Request
from ringback.temporal.token import read_token
from ringback.temporal.translate import ServiceError

T = TypeVar("T")


async def find_address(activity: Target, own: OwnNamespace) -> Address:
    """Return what `activity` names, for a client whose namespace is `own`.

    Raises:
        UnusableTokenError: It is no token of an activity in the client's namespace.
        TypeError: It is neither a token nor ids.
    """
    match activity:
        case ActivityRef():
            return Address(to_execution(activity, own.name))
        case bytes():
            token = read_token(activity)
            await own.check(token)
            return Address(token.to_execution(own.name), activity, token)
        case _:
            msg = f"give a task token as bytes, or an ActivityRef; not {type(activity)}"
            raise TypeError(msg)


async def encode_error(converter: DataConverter, error: BaseException, address: Address) -> Failure:
    """Return `error` as the SDK would send it.

    Whatever the converter or its codec raises comes out unchanged.

    Raises:
        CompletionRefusedError: A token takes no error of this kind.
        TypeError: It is no exception; make one with `fail_with`.
        ValueError: Its `next_retry_delay` is negative or longer than ten years; correct it.
    """
    if not isinstance(error, BaseException):
        msg = (
            "an activity fails with an exception, made by fail_with(type, message) for instance, "
            f"not with {type(error).__name__}"
        )
        raise TypeError(msg)
    if isinstance(error, ApplicationError):
        check_duration("next_retry_delay", error.next_retry_delay, may_be_zero=True)
    failure = await to_failure(converter, error)
    if address.task_token is not None and not failure.HasField("application_failure_info"):
        msg = (
            f"Temporal takes no {type(error).__name__} by task token; report a cancellation "
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
        """Send `requests` about `address` as `identity`; in doubt, use `lookup`."""
        self.address = address
        self.identity = identity
        self.lookup = lookup
        self.is_in_doubt = False
        self._requests = requests
        self._tries = tries

    async def encode(self, encoding: Awaitable[T]) -> T:
        """Return what the data converter makes of something.

        Raises:
            EncodingError: It did not return in time, and nothing was sent.
        """
        return await self._tries.encode(encoding)

    async def end(self, encoded: Encoded, last_details: Payloads | None = None) -> None:
        """End the activity with `encoded`.

        Raises:
            ActivityNotFoundError: It has ended by somebody else, or never was.
            ActivityResetError: The token is dead, since the activity was reset.
            CompletionRefusedError: Temporal refuses it.
            CompletionUnansweredError: There was no answer in time.
            CompletionUnprovenError: It has ended, and nothing shows by whom.
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
        """Record a heartbeat, and return what Temporal says to it.

        Raises:
            ActivityNotFoundError: It has ended, or never was.
            ActivityResetError: The token is dead, since the activity was reset.
            CompletionRefusedError: Temporal refuses it.
            CompletionUnansweredError: There was no answer in time.
        """
        request = self._requests.heartbeat(details)
        while True:
            try:
                return await self._tries.make(request)
            except (RPCError, RuntimeError) as exc:
                # To record the same twice does no harm.
                self.is_in_doubt |= self._classify(exc) is TryFailure.LOST
                await self._before_the_next(exc)

    async def read(self, request: Request[T]) -> T:
        """Return what a look shows.

        Raises:
            ActivityNotFoundError: There is nothing to look at.
            CompletionRefusedError: Temporal does not show it.
            CompletionUnansweredError: There was no answer in time.
        """
        try:
            return await self._tries.read(request)
        except (RPCError, RuntimeError) as exc:
            raise self._error(exc) from exc

    def unanswered(self, why: str) -> CompletionUnansweredError:
        """Return the error for a call whose time is over."""
        doubt = "; whether it was applied is not known" if self.is_in_doubt else ""
        is_open = self.is_in_doubt and not self.address.is_fenced
        advice = "; with a run id it would be repeated safely" if is_open else ""
        return CompletionUnansweredError(
            f"Temporal gave no answer ({why}){doubt}{advice}",
            may_be_applied=self.is_in_doubt,
            identity=self.identity,
        )

    async def _was_applied(self, exc: ServiceError, prove: Request[Proof]) -> bool:
        """Tell whether it was applied all the same; if not, it may be tried again."""
        failure = self._classify(exc)
        if failure is TryFailure.GONE and self.is_in_doubt:
            return await self._settle(exc, prove)
        self.is_in_doubt |= failure is TryFailure.LOST
        if not self.is_in_doubt:
            await self._before_the_next(exc)
            return False
        return await self._was_applied_in_doubt(exc, prove)

    async def _was_applied_in_doubt(self, exc: ServiceError, prove: Request[Proof]) -> bool:
        if self._classify(exc) is TryFailure.REFUSED:
            raise self._error(exc) from exc
        has_time = await self._tries.pause()
        if has_time and self.address.task_token is not None:
            # A token is of one attempt: a repeat cannot reach anything else.
            return False
        match await self._look_up(prove):
            case Proof.APPLIED:
                return True
            case Proof.NOT_APPLIED if has_time and self.address.is_fenced:
                return False
            case Proof.NOTHING:
                raise self._unproven() from exc
            case Proof.NOT_APPLIED | None:
                # By ids a repeat could reach the next run, a later attempt, or the next activity.
                raise self._error(exc) from exc

    async def _settle(self, exc: ServiceError, prove: Request[Proof]) -> bool:
        match await self._look_up(prove):
            case Proof.APPLIED:
                return True
            case Proof.NOT_APPLIED:
                raise await self._gone(exc) from exc
            case Proof.NOTHING | None:
                raise self._unproven() from exc

    async def _look_up(self, prove: Request[Proof]) -> Proof | None:
        """Return what Temporal shows; `None` if it cannot be asked."""
        try:
            return await self._tries.read(prove)
        except (RPCError, RuntimeError):
            return None

    def _unproven(self) -> CompletionUnprovenError:
        msg = (
            "nothing shows whether this call, whose reply was lost, was applied; "
            f"it went by {self.identity!r}"
        )
        return CompletionUnprovenError(msg, identity=self.identity)

    async def _before_the_next(self, exc: ServiceError) -> None:
        """Wait before the next try, or raise what says that there is none."""
        if self._classify(exc) is TryFailure.GONE:
            raise await self._gone(exc) from exc
        is_final = self._classify(exc) is TryFailure.REFUSED
        if is_final or not await self._tries.pause():
            raise self._error(exc) from exc

    async def _gone(self, exc: ServiceError) -> RingbackError:
        if await self._was_reset():
            msg = "the activity was reset, and this token died with it; by its ids it takes answers"
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
                return ActivityNotFoundError(f"nobody waits for this: {quote(exc)}")
            case TryFailure.REFUSED:
                return CompletionRefusedError(f"Temporal refused it: {quote(exc)}")
            case TryFailure.NOT_TAKEN | TryFailure.LOST:
                return self.unanswered(quote(exc))


Stop = ActivityCancelledError | ActivityPausedError | ActivityResetError

_STOPS: Final[dict[str, Callable[[ActivityCancellationDetails], Stop]]] = {
    "cancel_requested": partial(ActivityCancelledError, "the activity is asked to cancel"),
    "paused": partial(ActivityPausedError, "the activity is paused"),
    "reset": partial(ActivityResetError, "the activity was reset"),
}
"""What is raised for what a heartbeat brings back; of several the first."""


def raise_if_asked_to_stop(response: HeartbeatResponse) -> None:
    """Raise what a heartbeat brought back.

    Raises:
        ActivityCancelledError: Somebody asked to cancel the activity.
        ActivityPausedError: An operator has paused it.
        ActivityResetError: An operator has reset it.
    """
    details = ActivityCancellationDetails(
        cancel_requested=response.cancel_requested, paused=response.paused, reset=response.reset
    )
    for name, error in _STOPS.items():
        if getattr(details, name):
            raise error(details)
