"""Activities on a real Temporal server."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    RecordActivityTaskHeartbeatByIdRequest,
)
from temporalio.client import Client

from ringback.domain.callback import ActivityRef, Callback
from ringback.domain.errors import ActivityGoneError, TemporalUnreachableError
from ringback.domain.outcome import Outcome
from ringback.ports.activities import Ended, Pending, Pulse, Unknown, Whereabouts
from ringback.temporal import standalone
from ringback.temporal.delivery import (
    Encoded,
    encode,
    end_by_ids,
    end_by_token,
    through_codec,
    with_ids,
)
from ringback.temporal.history import find_end
from ringback.temporal.limits import Limits
from ringback.temporal.payloads import contextual, to_payloads
from ringback.temporal.pending import to_instant, to_pending
from ringback.temporal.request import TIMEOUT, translated
from ringback.temporal.signature import SPECIMEN, signed


class TemporalActivities:
    """`Activities` through a client of the SDK."""

    def __init__(self, client: Client) -> None:
        """Use the connection and the converter of `client`; each activity has its own namespace."""
        self._service = client.workflow_service
        self._converter = client.data_converter
        self._identity = client.identity
        self._limits = Limits(client)

    async def check(self, callback: Callback, outcome: Outcome) -> None:
        """See `Activities.check`."""
        encoded = await encode(self._converter, callback, outcome)
        to_be_sent = signed(encoded, callback.ref, SPECIMEN)
        await self._limits.check(callback.ref.namespace, to_be_sent)

    async def deliver_to_attempt(
        self, callback: Callback, outcome: Outcome, *, identity: str
    ) -> None:
        """See `Activities.deliver_to_attempt`."""
        to_be_sent = await self._checked(callback, outcome, identity)
        await end_by_token(self._service, callback, to_be_sent, identity=identity)

    async def deliver(self, callback: Callback, outcome: Outcome, *, identity: str) -> None:
        """See `Activities.deliver`."""
        to_be_sent = await self._checked(callback, outcome, identity)
        await end_by_ids(self._service, callback.ref, to_be_sent, identity=identity)

    async def _checked(self, callback: Callback, outcome: Outcome, identity: str) -> Encoded:
        # It was checked before it was accepted. The limit may have been a guess while Temporal was
        # away, or changed since, and a default answer is checked here only.
        encoded = await encode(self._converter, callback, outcome)
        to_be_sent = signed(encoded, callback.ref, identity)
        await self._limits.check_to_send(callback.ref.namespace, to_be_sent)
        return to_be_sent

    async def heartbeat(self, callback: Callback, details: bytes | None) -> Pulse:
        """See `Activities.heartbeat`."""
        ref = callback.ref
        converter = contextual(self._converter, callback)
        given = await through_codec(to_payloads(converter, details))
        if given is not None:
            await self._limits.check(ref.namespace, given)
        request = RecordActivityTaskHeartbeatByIdRequest(
            details=given or await self._recorded_details(ref), identity=self._identity
        )
        with translated(ref):
            answer = await self._service.record_activity_task_heartbeat_by_id(
                with_ids(request, ref), timeout=TIMEOUT
            )
        return Pulse(answer.cancel_requested, answer.activity_paused, answer.activity_reset)

    async def look(self, refs: Sequence[ActivityRef]) -> Sequence[Pending | None]:
        """See `Activities.look`."""
        runs = {ref.run: ref for ref in refs if not ref.is_standalone}
        pending = {run: await self._pending_or_none(ref) for run, ref in runs.items()}
        return [await self._own(ref, pending.get(ref.run, ())) for ref in refs]

    async def locate(self, ref: ActivityRef) -> Whereabouts:
        """See `Activities.locate`.

        Raises:
            TemporalUnreachableError: No answer, or it ends at this very moment; look again.
        """
        if ref.is_standalone:
            return await standalone.locate(self._service, ref)
        try:
            described = await self._describe(ref)
            listed = _with_id(ref, described.pending_activities)
            # A workflow that closed over an activity still lists it (observed on server 1.32).
            pending = None if _is_closed(described) else listed
            if pending is not None and to_instant(pending.scheduled_time) == ref.scheduled_at:
                return to_pending(pending, ref.scheduled_at)
            with translated():
                ended = await find_end(self._service, ref)
        except ActivityGoneError as exc:
            return Unknown(str(exc))
        if ended is not None:
            return _with_last_attempt(ended, listed, ref.scheduled_at)
        if pending is not None:
            return to_pending(pending, ref.scheduled_at)
        # It ended between the two requests: the next look sees how.
        msg = "the activity is ending just now"
        raise TemporalUnreachableError(msg)

    async def find_after_reset(self, ref: ActivityRef) -> ActivityRef | None:
        """See `Activities.find_after_reset`.

        Raises:
            TemporalUnreachableError: No answer.
        """
        if ref.is_standalone:
            return None
        latest = replace(ref, run_id="")
        try:
            described = await self._describe(latest)
            moved = replace(ref, run_id=described.workflow_execution_info.execution.run_id)
            if moved == ref:
                return None
            with translated():
                end = await find_end(self._service, moved)
        except ActivityGoneError:
            return None
        return None if isinstance(end, Unknown) else moved

    async def _own(
        self, ref: ActivityRef, pending: Sequence[PendingActivityInfo]
    ) -> Pending | None:
        if not ref.is_standalone:
            found = _with_id(ref, pending)
            if found is None:
                return None
            if to_instant(found.scheduled_time) == ref.scheduled_at:
                return to_pending(found, ref.scheduled_at)
            # A later attempt of this activity, or another one with the same id: history tells.
        located = await self.locate(ref)
        return located if isinstance(located, Pending) else None

    async def _recorded_details(self, ref: ActivityRef) -> Payloads | None:
        # A heartbeat without details would erase those that Temporal has.
        if ref.is_standalone:
            return await standalone.recorded_details(self._service, ref)
        found = _with_id(ref, await self._pending_activities(ref))
        return None if found is None else found.heartbeat_details

    async def _pending_or_none(self, ref: ActivityRef) -> Sequence[PendingActivityInfo]:
        try:
            return await self._pending_activities(ref)
        except ActivityGoneError:
            return []

    async def _pending_activities(self, ref: ActivityRef) -> Sequence[PendingActivityInfo]:
        described = await self._describe(ref)
        return [] if _is_closed(described) else described.pending_activities

    async def _describe(self, ref: ActivityRef) -> DescribeWorkflowExecutionResponse:
        request = DescribeWorkflowExecutionRequest(
            namespace=ref.namespace,
            execution=WorkflowExecution(workflow_id=ref.workflow_id, run_id=ref.run_id),
        )
        with translated():
            return await self._service.describe_workflow_execution(request, timeout=TIMEOUT)


def _with_id(
    ref: ActivityRef, pending: Sequence[PendingActivityInfo]
) -> PendingActivityInfo | None:
    return next((found for found in pending if found.activity_id == ref.activity_id), None)


def _is_closed(described: DescribeWorkflowExecutionResponse) -> bool:
    return described.workflow_execution_info.HasField("close_time")


def _with_last_attempt(
    ended: Ended | Unknown, listed: PendingActivityInfo | None, scheduled_at: datetime
) -> Ended | Unknown:
    # History keeps no event of the attempt that a closing workflow cut off; describe shows it.
    if isinstance(ended, Unknown) or listed is None or not ended.is_the_workflow_s:
        return ended
    last = to_pending(listed, scheduled_at)
    return replace(
        ended,
        attempt=last.attempt,
        started_at=last.started_at,
        last_failure=last.last_failure,
    )
