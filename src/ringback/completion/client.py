"""The completion client: completes, fails, heartbeats or cancels an activity from outside.

It stores nothing: a call that does not reach Temporal is lost. `wait_for_callback` stores answers.
"""

import asyncio
import copy
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, Final, Self

from temporalio.api.common.v1 import Payloads
from temporalio.client import Client
from temporalio.converter import DataConverter, SerializationContext
from temporalio.runtime import Runtime
from temporalio.service import WorkflowService

from ringback.completion.call import Call, encode_error, find_address, raise_if_asked_to_stop
from ringback.completion.outcome_lookup import OutcomeLookup, to_context
from ringback.completion.patterns import Patterns
from ringback.completion.refs import Target
from ringback.completion.retry import DEFAULT_TIMEOUT, Tries, quote
from ringback.domain.completion_errors import CompletionUnansweredError
from ringback.temporal.connect import connect
from ringback.temporal.encoding import Cancellation, Encoded, Result, signed, to_payloads
from ringback.temporal.limits import NamespaceLimits, check_or_shorten
from ringback.temporal.namespaces import OwnNamespace
from ringback.temporal.requests import ActivityRequests, new_identity
from ringback.temporal.rpc import NO_METADATA, Metadata

UNSET: Final[Any] = object()
"""No result at all, which differs from `None`."""


class AsyncCompletionClient(Patterns):
    """Completes, fails, heartbeats or cancels an activity by task token or ids.

    An activity of a workflow, or a standalone one, is addressed by task token or ids
    (`ActivityRef`). A token reaches only its own attempt. Ids reach the current attempt, and
    Temporal accepts a completion by ids between attempts, too.

    A task token is a key. Temporal does not sign it: a holder who can reach Temporal can edit it
    and complete any activity of the namespace. Protect tokens like passwords, and give senders a
    link of Ringback's instead. No error or log of this client repeats a token. The client checks a
    token before it sends it, and rejects garbage and tokens of other namespaces at once.

    Every call is safe to repeat. The client tries it several times within `rpc_timeout` (default:
    10 seconds for the whole call). If a reply was lost and the next try returns "not found", the
    client looks up whether its own try was applied, and succeeds if so. It does not repeat a call
    by ids without a run id after a lost reply, since the repeat could reach the next run. A call
    that is canceled may have been applied.

    Values that are too large are rejected before they are sent, since Temporal would reply OK and
    fail the activity. Exceptions of the client's data converter are raised unchanged, before
    anything is sent. The converter may use half of the call's time; after that `EncodingError` is
    raised. A converter that blocks its thread blocks the event loop, and no timeout can end it. The
    SDK's client interceptors do not see these calls.

    Every error is a `FinalError` or a `RetryableError`.

    Example:
        >>> completion = await AsyncCompletionClient.connect()
        >>> await completion.complete(ActivityRef("1", "order-7", run_id), {"approved": True})
    """

    def __init__(self, client: Client) -> None:
        """Use the connection, the namespace and the data converter of `client`."""
        self._client = client
        self._converter = client.data_converter
        self._has_context = False
        self._limits = NamespaceLimits(client)
        self._own_namespace = OwnNamespace(client)

    @classmethod
    async def connect(cls, *, data_converter: DataConverter = DataConverter.default) -> Self:
        """Connect by `TEMPORAL_*` variables and `temporal.toml`, or else to 127.0.0.1:7233.

        Args:
            data_converter: The same as that of the workers.

        Raises:
            ConfigurationError: The configuration is invalid; the message says where.
            TemporalUnreachableError: The server does not reply; retry later.
        """
        return cls(await connect(data_converter=data_converter, runtime=Runtime.default()))

    @property
    def workflow_service(self) -> WorkflowService:
        """Temporal's service, for raw calls."""
        return self._client.workflow_service

    def with_context(self, context: SerializationContext) -> "AsyncCompletionClient":
        """Return a client whose data converter has `context`.

        A codec whose key depends on the workflow needs this with task tokens. With ids, the client
        reads the context from Temporal if the data converter needs one.
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

        Temporal accepts one completion. By ids it also accepts one during backoff, while paused and
        before the activity has started. A workflow that has canceled the activity without waiting
        for the cancellation ignores it.

        Args:
            activity: The task token, or the ids.
            result: The activity's result. Without it there is no result, which differs from `None`.
            rpc_metadata: Headers of the requests.
            rpc_timeout: The time of the whole call.

        Raises:
            ActivityNotFoundError: It has ended, or another attempt runs. Stop.
            ActivityResetError: The token is invalid, since the activity was reset; use its ids.
            AnswerTooLargeError: Temporal would fail the activity; store the result elsewhere.
            CompletionRefusedError: Temporal rejected the call; the message says why.
            UnusableTokenError: This is not a token of an activity in the client's namespace.
            CompletionUnansweredError: No reply in time; retry.
            CompletionUnprovenError: It has ended, perhaps by this call; check the workflow.
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
        """Fail the running attempt.

        Temporal retries the activity according to its retry policy: for a final rejection use an
        `ApplicationError` with `non_retryable=True`.

        Args:
            activity: The task token, or the ids.
            error: The failure. An `ApplicationError` sets type, details, category and retry delay;
                any other exception has its class name as type. The stack traces of a failure that
                is too large are dropped.
            last_heartbeat_details: The heartbeat details that the next attempt reads.
            rpc_metadata: Headers of the requests.
            rpc_timeout: The time of the whole call.

        Raises:
            ActivityNotFoundError: It has ended, or is between attempts. Stop.
            ActivityResetError: The token is invalid, since the activity was reset; use its ids.
            AnswerTooLargeError: Temporal would truncate it, as it does above 4,096 bytes if the
                failure is retryable; send less, or set `non_retryable`.
            CompletionRefusedError: Temporal rejected the call: by token it accepts no Temporal
                failure except `ApplicationError`. The message says why.
            UnusableTokenError: This is not a token of an activity in the client's namespace.
            CompletionUnansweredError: No reply in time; retry.
            CompletionUnprovenError: The attempt has ended, perhaps by this call.
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
        """Send a heartbeat, and raise if the work should stop.

        Temporal records the heartbeat and its details even if an error says to stop.

        Args:
            activity: The task token, or the ids.
            details: Details for the next attempt and for observers. Without any, the client reads
                the recorded ones and sends them again (one more request), since Temporal would
                erase them.
            erase: Erase the recorded details.
            rpc_metadata: Headers of the requests.
            rpc_timeout: The time of the whole call.

        Raises:
            ActivityCancelledError: The activity was asked to cancel: stop, and report it.
            ActivityPausedError: It is paused, and was not asked to cancel: wait.
            ActivityResetError: It was reset, and neither of those: start again.
            ActivityNotFoundError: It has ended, or is between attempts. Stop.
            AnswerTooLargeError: Temporal would fail the activity; send less.
            CompletionRefusedError: Temporal rejected the call; the message says why.
            UnusableTokenError: This is not a token of an activity in the client's namespace.
            CompletionUnansweredError: No reply in time; retry.
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
            details: Details for a workflow that waits for the cancellation.
            rpc_metadata: Headers of the requests.
            rpc_timeout: The time of the whole call.

        Raises:
            ActivityNotFoundError: It has ended, or another attempt runs. Stop.
            ActivityResetError: The token is invalid, since the activity was reset; use its ids.
            AnswerTooLargeError: Temporal would truncate the details; send less.
            CompletionRefusedError: The activity was not asked to cancel; fail it instead.
            UnusableTokenError: This is not a token of an activity in the client's namespace.
            CompletionUnansweredError: No reply in time; retry.
            CompletionUnprovenError: It has ended, perhaps by this call; check the workflow.
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
            # Requests have shorter timeouts of their own. Connecting has none, and the codec is
            # user code.
            async with asyncio.timeout(tries.total.total_seconds()) as limit:
                call = await self._new_call(activity, tries, metadata)
                yield call
        except TimeoutError as exc:
            if not limit.expired():
                raise
            if call is None:
                msg = "Temporal could not be reached in time"
                raise CompletionUnansweredError(msg, may_be_applied=False, identity="") from exc
            last = tries.last_error
            raise call.unanswered(quote(last) if last else "the time is up") from last or exc

    async def _new_call(self, activity: Target, tries: Tries, metadata: Metadata) -> Call:
        address = await find_address(activity, self._own_namespace)
        service, identity = self.workflow_service, new_identity(self._client.identity)
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
