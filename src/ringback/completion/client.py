"""The completion client: tells an activity from outside how it ends, and that it lives.

It has no store: what a call does not bring to Temporal is not kept anywhere. To keep answers, give
the outside a link (`wait_for_callback`).
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from temporalio.api.common.v1 import Payloads
from temporalio.client import Client
from temporalio.converter import DataConverter, SerializationContext
from temporalio.service import WorkflowService

from ringback.completion.call import Call, encode_error, find_address, raise_if_asked_to_stop
from ringback.completion.outcome_lookup import OutcomeLookup, to_context
from ringback.completion.patterns import Patterns
from ringback.completion.refs import Target
from ringback.completion.retry import DEFAULT_TIMEOUT, Tries
from ringback.domain.completion_errors import CompletionUnansweredError
from ringback.temporal.encoding import Cancellation, Encoded, Result, to_payloads
from ringback.temporal.limits import Limits, check_or_shorten
from ringback.temporal.namespaces import OwnNamespace
from ringback.temporal.requests import ActivityRequests
from ringback.temporal.rpc import NO_METADATA, Metadata
from ringback.temporal.signature import signed

UNSET: Final[Any] = object()
"""No result at all, which is not the same as `None`."""

_LONGEST_NAME: Final = 900
"""Of the client's identity, so that a call's own fits into Temporal's limit of 1,000 characters."""


class AsyncCompletionClient(Patterns):
    """Tells an activity from outside how it ends, and that it lives.

    An activity is addressed by its task token or by its ids (`ActivityRef`); it may belong to a
    workflow, or be a standalone one. A token reaches only the attempt that was given it. Ids reach
    whichever attempt waits by now, and a completion by ids is taken between attempts, too.

    A task token is a key. Temporal does not sign it: whoever holds one, and reaches Temporal, can
    edit it and complete any activity of the namespace. Keep tokens to yourself as you keep
    passwords; give the outside a link of Ringback's instead. No error or log of this client repeats
    a token. A token is checked before it is sent: garbage and tokens of other namespaces are
    refused at once.

    Every call is safe in doubt. It is tried several times, in the time of `rpc_timeout`, which
    bounds the whole call (10 seconds if it is not given). If a reply was lost and the next try is
    answered "not found", the client looks up whether its own try was applied, and succeeds if so.
    A call by ids without a run id is not repeated after a lost reply, since it could reach the next
    run. A call that is canceled may have been applied.

    What is too large is refused before it is sent, since Temporal would say OK and fail the
    activity. What the client's data converter raises comes out unchanged, before anything is sent.
    It may take half of the call's time, then `EncodingError` is raised; one that blocks its thread
    blocks the event loop, and no timeout can end it. The SDK's client interceptors do not see these
    calls.

    Every error is a `FinalError` or a `RetryableError`.

    Example:
        >>> completion = AsyncCompletionClient(client)
        >>> await completion.complete(ActivityRef("1", "order-7", run_id), {"approved": True})
    """

    def __init__(self, client: Client) -> None:
        """Use the connection, the namespace and the data converter of `client`."""
        self._client = client
        self._converter = client.data_converter
        self._has_context = False
        self._limits = Limits(client)
        self._own_namespace = OwnNamespace(client)

    @property
    def workflow_service(self) -> WorkflowService:
        """Temporal's service, for raw calls."""
        return self._client.workflow_service

    def with_context(self, context: SerializationContext) -> "AsyncCompletionClient":
        """Return a client whose data converter has `context`.

        A codec whose key depends on the workflow needs it with task tokens. By ids the client asks
        Temporal for it, if the data converter wants one at all.
        """
        other = copy.copy(self)
        other._converter = self._client.data_converter.with_context(context)  # noqa: SLF001 - its own kind
        other._has_context = True  # noqa: SLF001 - its own kind
        return other

    async def complete(
        self,
        activity: Target,
        result: Any = UNSET,
        *,
        rpc_metadata: Metadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Complete the activity.

        Temporal takes one completion. By ids it also takes it in back-off, while paused, and before
        the activity was started. The workflow may ignore it, if it has asked to cancel the activity
        and does not wait for that.

        Args:
            activity: The task token, or the ids.
            result: What the activity returns. Without it there is no result, which is not `None`.
            rpc_metadata: Headers of the requests.
            rpc_timeout: What the whole call may take.

        Raises:
            ActivityNotFoundError: Nobody waits: it has ended, or another attempt runs. Stop.
            ActivityResetError: The token is dead, since the activity was reset; use its ids.
            AnswerTooLargeError: Temporal would fail the activity; keep the result elsewhere.
            CompletionRefusedError: Temporal refuses it; the message says why.
            UnusableTokenError: This is no token of an activity in the client's namespace.
            CompletionUnansweredError: No answer in time; try again.
            CompletionUnprovenError: It has ended, and nothing shows whether by this call; look.
        """
        async with self._call(activity, rpc_metadata, rpc_timeout) as call:
            values = () if result is UNSET else (result,)
            payloads = await self._encode(call, values)
            await self._end(call, Result(payloads))

    async def fail(
        self,
        activity: Target,
        error: BaseException,
        *,
        last_heartbeat_details: Sequence[Any] = (),
        rpc_metadata: Metadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Fail the attempt that waits.

        Temporal runs the activity again, as its retry policy says: a no that is final should be an
        `ApplicationError` with `non_retryable=True`.

        Args:
            activity: The task token, or the ids.
            error: What the activity fails with. An `ApplicationError` says its type, details,
                category, and when to retry; any other exception goes by the name of its class. Of a
                failure that is too large the stack traces are left out.
            last_heartbeat_details: What the next attempt finds as the details of the last
                heartbeat.
            rpc_metadata: Headers of the requests.
            rpc_timeout: What the whole call may take.

        Raises:
            ActivityNotFoundError: No attempt waits: it has ended, or is between attempts. Stop.
            ActivityResetError: The token is dead, since the activity was reset; use its ids.
            AnswerTooLargeError: Temporal would cut it, as it does over 4,096 bytes if it may be
                retried; send less, or say `non_retryable`.
            CompletionRefusedError: Temporal refuses it: by token, any failure of its own but an
                `ApplicationError`. The message says why.
            UnusableTokenError: This is no token of an activity in the client's namespace.
            CompletionUnansweredError: No answer in time; try again.
            CompletionUnprovenError: The attempt has ended, and nothing shows whether by this call.
        """
        async with self._call(activity, rpc_metadata, rpc_timeout) as call:
            last_details = await self._encode(call, last_heartbeat_details)
            await self._check(call, last_details)
            converter = await self._converter_for(call)
            failure = await call.encode(encode_error(converter, error, call.address))
            await self._end(call, failure, last_details)

    async def heartbeat(
        self,
        activity: Target,
        *details: Any,
        erase: bool = False,
        rpc_metadata: Metadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Tell that the work goes on, and learn whether it should.

        The heartbeat is recorded, with its details, also where an error says to stop.

        Args:
            activity: The task token, or the ids.
            details: What the next attempt, and whoever looks, finds. Without any, those that
                Temporal has are sent again (one request more), since it would erase them.
            erase: Erase them.
            rpc_metadata: Headers of the requests.
            rpc_timeout: What the whole call may take.

        Raises:
            ActivityCancelledError: The activity is asked to cancel: stop, and report it.
            ActivityPausedError: It is paused, and not asked to cancel: wait.
            ActivityResetError: It was reset, and neither of those: begin anew.
            ActivityNotFoundError: No attempt waits: it has ended, or is between attempts. Stop.
            AnswerTooLargeError: Temporal would fail the activity; send less.
            CompletionRefusedError: Temporal refuses it; the message says why.
            UnusableTokenError: This is no token of an activity in the client's namespace.
            CompletionUnansweredError: No answer in time; try again.
        """
        async with self._call(activity, rpc_metadata, rpc_timeout) as call:
            given = await self._encode(call, details)
            await self._check(call, given)
            if given is None and not erase:
                given = await call.read(call.lookup.recorded_details)
            raise_if_asked_to_stop(await call.heartbeat(given))

    async def report_cancellation(
        self,
        activity: Target,
        *details: Any,
        rpc_metadata: Metadata = NO_METADATA,
        rpc_timeout: timedelta | None = None,
    ) -> None:
        """Report that the work was canceled, after the activity was asked to cancel.

        Args:
            activity: The task token, or the ids.
            details: What a workflow that waits for the cancellation finds in it.
            rpc_metadata: Headers of the requests.
            rpc_timeout: What the whole call may take.

        Raises:
            ActivityNotFoundError: Nobody waits: it has ended, or another attempt runs. Stop.
            ActivityResetError: The token is dead, since the activity was reset; use its ids.
            AnswerTooLargeError: Temporal would cut the details; send less.
            CompletionRefusedError: Nobody asked this activity to cancel; fail it instead.
            UnusableTokenError: This is no token of an activity in the client's namespace.
            CompletionUnansweredError: No answer in time; try again.
            CompletionUnprovenError: It has ended, and nothing shows whether by this call; look.
        """
        async with self._call(activity, rpc_metadata, rpc_timeout) as call:
            payloads = await self._encode(call, details)
            await self._end(call, Cancellation(payloads))

    @asynccontextmanager
    async def _call(
        self, activity: Target, metadata: Metadata, within: timedelta | None
    ) -> AsyncIterator[Call]:
        tries = Tries(DEFAULT_TIMEOUT if within is None else within)
        call = None
        try:
            # Requests have timeouts of their own, which are shorter. Connecting has none, and the
            # codec is the user's.
            async with asyncio.timeout(tries.total.total_seconds()) as limit:
                call = await self._new_call(activity, tries, metadata)
                yield call
        except TimeoutError as exc:
            if not limit.expired():
                raise
            raise _unanswered(call) from exc

    async def _new_call(self, activity: Target, tries: Tries, metadata: Metadata) -> Call:
        address = await find_address(activity, self._own_namespace)
        service, identity = self.workflow_service, _new_identity(self._client.identity)
        return Call(
            address,
            tries,
            identity=identity,
            requests=ActivityRequests(service, address, identity=identity, metadata=metadata),
            lookup=OutcomeLookup(service, address, metadata=metadata),
        )

    async def _encode(self, call: Call, values: Sequence[Any]) -> Payloads | None:
        converter = await self._converter_for(call)
        return await call.encode(to_payloads(converter, values))

    async def _converter_for(self, call: Call) -> DataConverter:
        ref = call.address.execution
        wants_no_context = self._converter.with_context(to_context(ref)) is self._converter
        if self._has_context or wants_no_context or call.address.task_token is not None:
            return self._converter
        return self._converter.with_context(await call.read(call.lookup.context))

    async def _check(self, call: Call, payloads: Payloads | None) -> None:
        if payloads is not None:
            await self._limits.check(call.address.execution.namespace, payloads)

    async def _end(
        self, call: Call, encoded: Encoded, last_details: Payloads | None = None
    ) -> None:
        limit = await self._limits.blob_limit(call.address.execution.namespace)
        is_standalone = call.address.execution.is_standalone
        to_be_sent = signed(encoded, call.identity, is_standalone=is_standalone)
        check_or_shorten(to_be_sent, limit)
        await call.end(to_be_sent, last_details)


def _new_identity(name: str) -> str:
    return f"{name[:_LONGEST_NAME]}/{uuid4()}"


def _unanswered(call: Call | None) -> CompletionUnansweredError:
    if call is not None:
        return call.unanswered("the time is over")
    msg = "Temporal cannot be reached in time"
    return CompletionUnansweredError(msg, may_be_applied=False, identity="")
