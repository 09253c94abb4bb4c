"""Outcome lookup: the effect of a call whose reply was lost, and other state of its activity."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from enum import Enum, auto
from typing import Final

from temporalio.api.common.v1 import Payloads
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionResponse,
    DescribeWorkflowExecutionResponse,
)
from temporalio.converter import ActivitySerializationContext
from temporalio.service import WorkflowService

from ringback.domain.activity_state import Ended
from ringback.domain.callback import ActivityExecution
from ringback.temporal.describe import find_pending, recorded_details, to_last_failure
from ringback.temporal.encoding import Cancellation, Encoded
from ringback.temporal.history import newest_first, senders
from ringback.temporal.requests import Address, describe_standalone, describe_workflow
from ringback.temporal.rpc import Metadata, in_time
from ringback.temporal.standalone import to_activity_state

_RUNS: Final = 3
"""Maximum runs of a chain that are searched, latest first, for a call without a run id."""


class LookupResult(Enum):
    """What Temporal shows about an outcome whose reply was lost."""

    APPLIED = auto()
    """The outcome ended the activity, or the attempt."""

    NOT_APPLIED = auto()
    """It did not: another call did, or none has."""

    NOTHING = auto()
    """Unknown: the evidence is deleted or was replaced."""


class OutcomeLookup:
    """Reads the activity of one call. Every method is one try, and changes nothing.

    Errors of the server are raised unchanged: `RPCError`, or `RuntimeError` without a connection.
    """

    def __init__(
        self,
        service: WorkflowService,
        address: Address,
        *,
        metadata: Metadata,
    ) -> None:
        """Read the activity at `address`."""
        self._service = service
        self._claim = address.claim
        self._ref = address.execution
        self._metadata = metadata

    async def recorded_details(self, within: timedelta) -> Payloads | None:
        """Return the details of the latest heartbeat; `None` if there are none."""
        return await recorded_details(
            self._service, self._ref, within=within, metadata=self._metadata
        )

    async def context(self, within: timedelta) -> ActivitySerializationContext:
        """Return the data converter's context in the activity's worker."""
        if self._ref.is_standalone:
            info = (await self._describe_standalone(within)).info
            return to_context(
                self._ref, activity_type=info.activity_type.name, task_queue=info.task_queue
            )
        described = await self._describe(within)
        found = find_pending(self._ref, described) or PendingActivityInfo()
        return to_context(
            self._ref,
            activity_type=found.activity_type.name,
            task_queue=found.activity_options.task_queue.name,
            workflow_type=described.workflow_execution_info.type.name,
        )

    async def was_reset(self, within: timedelta) -> bool:
        """Return whether a token of a later attempt is invalid because of an operator's reset.

        The server then numbers the attempt that runs as the first (observed on server 1.32).
        """
        claim = self._claim
        if claim is None or claim.attempt == 1 or self._ref.is_standalone:
            return False
        found = find_pending(self._ref, await self._describe(within))
        if found is None or found.attempt >= claim.attempt:
            return False
        # An activity id may recur in a run: the one that waits was scheduled last.
        async for event in self._newest_first(self._ref, within):
            scheduled = event.activity_task_scheduled_event_attributes
            if scheduled.activity_id == self._ref.activity_id:
                return event.event_id == claim.scheduled_event_id
        return False

    async def find_proof(self, encoded: Encoded, identity: str, within: timedelta) -> LookupResult:
        """Return what Temporal shows about `encoded`, which was sent as `identity`."""
        if self._ref.is_standalone:
            return await self._find_standalone_proof(encoded, identity, within)
        # Pending state first: an activity moves from there to history, never back.
        found = find_pending(self._ref, await self._describe(within))
        failed = None if found is None else to_last_failure(found.last_failure).source
        if failed == identity or await self._is_in_history(identity, within):
            return LookupResult.APPLIED
        if not _is_retryable(encoded):
            return LookupResult.NOT_APPLIED
        return (
            LookupResult.NOTHING if found is None else self._of_attempt(found.attempt, failed or "")
        )

    async def _is_in_history(self, identity: str, within: timedelta) -> bool:
        run, runs = self._ref, 1 if self._ref.run_id else _RUNS
        since = 0 if self._claim is None else self._claim.scheduled_event_id
        for _ in range(runs):
            oldest = HistoryEvent()
            async for event in self._newest_first(run, within):
                if identity in senders(event):
                    return True
                if event.event_id <= since:
                    return False
                oldest = event
            before = oldest.workflow_execution_started_event_attributes.continued_execution_run_id
            if not before:
                return False
            run = replace(run, run_id=before)
        return False

    async def _find_standalone_proof(
        self, encoded: Encoded, identity: str, within: timedelta
    ) -> LookupResult:
        shown = to_activity_state(await self._describe_standalone(within))
        failed = "" if shown.last_failure is None else shown.last_failure.source
        ended_by = shown.identity if isinstance(shown, Ended) else ""
        if identity in {failed, ended_by}:
            return LookupResult.APPLIED
        if isinstance(shown, Ended):
            # The identity of a cancellation is in its details: without any, it is unknown.
            is_unsigned = isinstance(encoded, Cancellation) and encoded.payloads is None
            is_hidden = is_unsigned or _is_retryable(encoded)
            return LookupResult.NOTHING if is_hidden else LookupResult.NOT_APPLIED
        if not _is_retryable(encoded):
            return LookupResult.NOT_APPLIED
        return self._of_attempt(shown.attempt, failed)

    def _of_attempt(self, attempt: int, failed: str) -> LookupResult:
        """Return the proof of a retryable failure, which a later one would have replaced."""
        if self._claim is not None:
            is_the_same = attempt == self._claim.attempt
        else:
            is_the_same = attempt == 1 and not failed
        return LookupResult.NOT_APPLIED if is_the_same else LookupResult.NOTHING

    async def _describe(self, within: timedelta) -> DescribeWorkflowExecutionResponse:
        request = describe_workflow(self._service, self._ref, self._metadata)
        return await in_time(request, within=within)

    async def _describe_standalone(self, within: timedelta) -> DescribeActivityExecutionResponse:
        request = describe_standalone(
            self._service, self._ref, with_end=True, metadata=self._metadata
        )
        return await in_time(request, within=within)

    def _newest_first(
        self, run: ActivityExecution, within: timedelta
    ) -> AsyncIterator[HistoryEvent]:
        return newest_first(self._service, run, within=within, metadata=self._metadata)


def _is_retryable(encoded: Encoded) -> bool:
    return isinstance(encoded, Failure) and not encoded.application_failure_info.non_retryable


def to_context(
    ref: ActivityExecution,
    *,
    activity_type: str = "",
    task_queue: str = "",
    workflow_type: str = "",
) -> ActivitySerializationContext:
    """Return the context of an activity; empty fields are unknown."""
    return ActivitySerializationContext(
        namespace=ref.namespace,
        activity_id=ref.activity_id,
        activity_type=activity_type or None,
        activity_task_queue=task_queue or None,
        workflow_id=ref.workflow_id,
        workflow_type=workflow_type or None,
        is_local=False,
    )
