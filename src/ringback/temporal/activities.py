"""Activities on a real Temporal server."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Protocol, TypeVar, assert_never

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.failure.v1 import Failure
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    RecordActivityTaskHeartbeatByIdRequest,
    RespondActivityTaskCanceledByIdRequest,
    RespondActivityTaskCompletedByIdRequest,
    RespondActivityTaskFailedByIdRequest,
)
from temporalio.client import Client

from ringback.domain.callback import ActivityRef
from ringback.domain.errors import ActivityGoneError, TemporalUnreachableError
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.ports.activities import LastFailure, Pending, Pulse, Unknown, Whereabouts
from ringback.temporal.history import find_end, to_instant
from ringback.temporal.payloads import to_failure, to_payloads
from ringback.temporal.request import TIMEOUT, translated

_STARTED: Final = frozenset({
    PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
    PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
    PendingActivityState.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED,
})


_CUT_BY_THE_SERVER: Final = "Failure exceeds size limit."
"""The server's own failure around one that it cut (observed on server 1.32)."""


class TemporalActivities:
    """`Activities` through a client of the SDK.

    The raw service is used, since only there each call has an identity of its own, which history
    keeps.
    """

    def __init__(self, client: Client) -> None:
        """Use the connection and the converter of `client`; each activity has its own namespace."""
        self._service = client.workflow_service
        self._converter = client.data_converter
        self._identity = client.identity

    async def deliver(self, ref: ActivityRef, outcome: Outcome, *, identity: str) -> None:
        """See `Activities.deliver`."""
        match outcome:
            case Completed(result):
                await self._complete(ref, await to_payloads(self._converter, result), identity)
            case Failed():
                await self._fail(ref, await to_failure(self._converter, outcome), identity)
            case Canceled(details):
                await self._cancel(ref, await to_payloads(self._converter, details), identity)
            case _:
                assert_never(outcome)

    async def _complete(self, ref: ActivityRef, result: Payloads | None, identity: str) -> None:
        request = RespondActivityTaskCompletedByIdRequest(result=result, identity=identity)
        with translated():
            await self._service.respond_activity_task_completed_by_id(
                _addressed(request, ref), timeout=TIMEOUT
            )

    async def _fail(self, ref: ActivityRef, failure: Failure, identity: str) -> None:
        # History tells of a retried failure nothing but the failure itself, so it is signed too.
        failure.source = identity
        request = RespondActivityTaskFailedByIdRequest(failure=failure, identity=identity)
        with translated():
            await self._service.respond_activity_task_failed_by_id(
                _addressed(request, ref), timeout=TIMEOUT
            )

    async def _cancel(self, ref: ActivityRef, details: Payloads | None, identity: str) -> None:
        request = RespondActivityTaskCanceledByIdRequest(details=details, identity=identity)
        with translated():
            await self._service.respond_activity_task_canceled_by_id(
                _addressed(request, ref), timeout=TIMEOUT
            )

    async def heartbeat(self, ref: ActivityRef, details: bytes | None) -> Pulse:
        """See `Activities.heartbeat`."""
        recorded = await to_payloads(self._converter, details)
        request = RecordActivityTaskHeartbeatByIdRequest(
            details=recorded or await self._recorded_details(ref), identity=self._identity
        )
        with translated():
            answer = await self._service.record_activity_task_heartbeat_by_id(
                _addressed(request, ref), timeout=TIMEOUT
            )
        return Pulse(answer.cancel_requested, answer.activity_paused, answer.activity_reset)

    async def look(self, refs: Sequence[ActivityRef]) -> Sequence[Pending | None]:
        """See `Activities.look`."""
        runs = {ref.run: ref for ref in refs}
        pending = {run: await self._pending_or_none(ref) for run, ref in runs.items()}
        return [await self._own(ref, pending[ref.run]) for ref in refs]

    async def locate(self, ref: ActivityRef) -> Whereabouts:
        """See `Activities.locate`.

        Raises:
            TemporalUnreachableError: No answer, or it ends at this very moment; look again.
        """
        try:
            found = _with_id(ref, await self._pending_activities(ref))
            if found is not None and to_instant(found.scheduled_time) == ref.scheduled_at:
                return _to_pending(found)
            with translated():
                ended = await find_end(self._service, ref)
        except ActivityGoneError as exc:
            return Unknown(str(exc))
        if ended is not None:
            return ended
        if found is not None:
            return _to_pending(found)
        # It ended between the two requests: the next look sees how.
        msg = "the activity is ending just now"
        raise TemporalUnreachableError(msg)

    async def _own(
        self, ref: ActivityRef, pending: Sequence[PendingActivityInfo]
    ) -> Pending | None:
        found = _with_id(ref, pending)
        if found is None:
            return None
        if to_instant(found.scheduled_time) == ref.scheduled_at:
            return _to_pending(found)
        # A later attempt of this activity, or another activity with the same id: history tells.
        located = await self.locate(ref)
        return located if isinstance(located, Pending) else None

    async def _recorded_details(self, ref: ActivityRef) -> Payloads | None:
        # A heartbeat without details would erase those that Temporal has.
        found = _with_id(ref, await self._pending_activities(ref))
        return None if found is None else found.heartbeat_details

    async def _pending_or_none(self, ref: ActivityRef) -> Sequence[PendingActivityInfo]:
        try:
            return await self._pending_activities(ref)
        except ActivityGoneError:
            return []

    async def _pending_activities(self, ref: ActivityRef) -> Sequence[PendingActivityInfo]:
        request = DescribeWorkflowExecutionRequest(
            namespace=ref.namespace,
            execution=WorkflowExecution(workflow_id=ref.workflow_id, run_id=ref.run_id),
        )
        with translated():
            answer = await self._service.describe_workflow_execution(request, timeout=TIMEOUT)
        # A workflow that closed over an activity still lists it (observed on server 1.32).
        is_closed = answer.workflow_execution_info.HasField("close_time")
        return [] if is_closed else answer.pending_activities


class _ById(Protocol):
    """A request that names an activity by its ids."""

    namespace: str
    workflow_id: str
    run_id: str
    activity_id: str


R = TypeVar("R", bound=_ById)


def _addressed(request: R, ref: ActivityRef) -> R:
    request.namespace = ref.namespace
    request.workflow_id = ref.workflow_id
    request.run_id = ref.run_id
    request.activity_id = ref.activity_id
    return request


def _with_id(
    ref: ActivityRef, pending: Sequence[PendingActivityInfo]
) -> PendingActivityInfo | None:
    return next((found for found in pending if found.activity_id == ref.activity_id), None)


def _to_pending(found: PendingActivityInfo) -> Pending:
    state = PendingActivityState
    paused = found.paused or found.state == state.PENDING_ACTIVITY_STATE_PAUSE_REQUESTED
    return Pending(
        attempt=found.attempt,
        is_started=found.state in _STARTED,
        cancel_requested=found.state == state.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
        paused=paused,
        # Pausing stops every timer of the activity (observed on server 1.32).
        deadline_at=None if paused else _deadline(found),
        last_failure=_to_last_failure(found.last_failure)
        if found.HasField("last_failure")
        else None,
    )


def _deadline(found: PendingActivityInfo) -> datetime | None:
    deadlines = []
    if found.HasField("expiration_time"):
        deadlines.append(to_instant(found.expiration_time))
    options = found.activity_options
    limit = options.start_to_close_timeout.ToTimedelta()
    if found.state in _STARTED and limit:
        deadlines.append(to_instant(found.last_started_time) + limit)
    return min(deadlines, default=None)


def _to_last_failure(failure: Failure) -> LastFailure:
    if failure.message == _CUT_BY_THE_SERVER and failure.HasField("cause"):
        failure = failure.cause
    kind = str(failure.WhichOneof("failure_info") or "unknown").removesuffix("_failure_info")
    is_application = failure.HasField("application_failure_info")
    type_ = failure.application_failure_info.type if is_application else None
    return LastFailure(kind, failure.message, type_ or None, failure.source)
