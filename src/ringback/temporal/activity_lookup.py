"""ActivityLookup: the states of activities, from describe and history; one request per run."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse
from temporalio.service import WorkflowService

from ringback.domain.activity_state import ActivityState, Ended, Pending, Unknown
from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import ActivityGoneError, TemporalUnreachableError
from ringback.temporal import standalone
from ringback.temporal.describe import describe, find_listed, find_pending
from ringback.temporal.history import find_ends
from ringback.temporal.pending import to_instant, to_pending
from ringback.temporal.rpc import translated

_MOST: Final = 100_000


class ActivityLookup:
    """Reads the states of activities, and changes nothing."""

    def __init__(self, service: WorkflowService) -> None:
        """Ask `service`."""
        self._service = service
        #: The scheduled time of each activity, by its attempt's: describe shows only the attempt's,
        #: and history has the activity's. It is read once.
        self._scheduled: dict[ActivityExecution, datetime] = {}

    async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        found: dict[ActivityExecution, ActivityState | None] = {}
        for ref in filter(_is_standalone, refs):
            found[ref] = await standalone.resolve(self._service, ref)
        for of_one_run in _by_run(refs):
            found |= await self._look_in_run(of_one_run)
        return [_only_pending(found[ref]) for ref in refs]

    async def resolve_all(self, refs: Sequence[ActivityExecution]) -> Sequence[ActivityState]:
        """Resolve each activity, with one request per run.

        Raises:
            TemporalUnreachableError: No reply, or an activity is just ending; call again.
        """
        found: dict[ActivityExecution, ActivityState] = {}
        for ref in filter(_is_standalone, refs):
            found[ref] = await standalone.resolve(self._service, ref)
        for of_one_run in _by_run(refs):
            found |= await self._locate_in_run(of_one_run)
        return [found[ref] for ref in refs]

    async def find_after_reset(self, ref: ActivityExecution) -> ActivityExecution | None:
        """Return the activity in the workflow's latest run, if a reset moved it there.

        Raises:
            TemporalUnreachableError: No reply.
        """
        if ref.is_standalone:
            return None
        latest = replace(ref, run_id="")
        try:
            described = await describe(self._service, latest)
            moved = replace(ref, run_id=described.workflow_execution_info.execution.run_id)
            if moved == ref:
                return None
            with translated():
                (end,) = await find_ends(self._service, [moved])
        except ActivityGoneError:
            return None
        return None if isinstance(end, Unknown) else moved

    async def _look_in_run(
        self, refs: Sequence[ActivityExecution]
    ) -> dict[ActivityExecution, ActivityState | None]:
        try:
            described = await describe(self._service, refs[0])
            listed = [ref for ref in refs if find_pending(ref, described) is not None]
            located = await self._where(listed, described)
        except ActivityGoneError:
            return dict.fromkeys(refs)
        return {ref: located.get(ref) for ref in refs}

    async def _locate_in_run(
        self, refs: Sequence[ActivityExecution]
    ) -> dict[ActivityExecution, ActivityState]:
        try:
            return await self._where(refs, await describe(self._service, refs[0]))
        except ActivityGoneError as exc:
            return {ref: Unknown(str(exc)) for ref in refs}

    async def _where(
        self, refs: Sequence[ActivityExecution], described: DescribeWorkflowExecutionResponse
    ) -> dict[ActivityExecution, ActivityState]:
        """Return the states of activities in a `described` run; history decides open cases.

        Raises:
            ActivityGoneError: The run no longer exists.
            TemporalUnreachableError: No reply, or an activity is just ending; call again.
        """
        waiting = {ref: self._waiting(ref, described) for ref in refs}
        others = [ref for ref, pending in waiting.items() if pending is None]
        with translated():
            ends = await find_ends(self._service, others) if others else []
        ended = dict(zip(others, ends, strict=True))
        return {ref: waiting[ref] or self._read(ref, ended[ref], described) for ref in refs}

    def _waiting(
        self, ref: ActivityExecution, described: DescribeWorkflowExecutionResponse
    ) -> Pending | None:
        """Return the pending state if describe alone shows it."""
        listed = find_pending(ref, described)
        if listed is None:
            return None
        scheduled_at = to_instant(listed.scheduled_time)
        is_its_own = scheduled_at in {ref.scheduled_at, self._scheduled.get(ref)}
        return to_pending(listed, ref.scheduled_at) if is_its_own else None

    def _read(
        self,
        ref: ActivityExecution,
        ended: Ended | Unknown | None,
        described: DescribeWorkflowExecutionResponse,
    ) -> ActivityState:
        """Return the state of an activity that `ended`, according to history.

        Raises:
            TemporalUnreachableError: It is just ending; call again.
        """
        if ended is not None:
            listed = find_listed(ref, described)
            return _with_last_attempt(ended, listed, ref.scheduled_at)
        listed = find_pending(ref, described)
        if listed is not None:
            self._remember(ref, to_instant(listed.scheduled_time))
            return to_pending(listed, ref.scheduled_at)
        # It ended between the two requests: the next poll shows how.
        msg = "the activity is ending just now"
        raise TemporalUnreachableError(msg)

    def _remember(self, ref: ActivityExecution, scheduled_at: datetime) -> None:
        if len(self._scheduled) >= _MOST:
            self._scheduled.clear()
        self._scheduled[ref] = scheduled_at


def _by_run(refs: Iterable[ActivityExecution]) -> Iterable[Sequence[ActivityExecution]]:
    runs: dict[tuple[str, str, str], list[ActivityExecution]] = {}
    for ref in refs:
        if not ref.is_standalone:
            runs.setdefault(ref.run, []).append(ref)
    return runs.values()


def _is_standalone(ref: ActivityExecution) -> bool:
    return ref.is_standalone


def _only_pending(found: ActivityState | None) -> Pending | None:
    return found if isinstance(found, Pending) else None


def _with_last_attempt(
    ended: Ended | Unknown, listed: PendingActivityInfo | None, scheduled_at: datetime
) -> Ended | Unknown:
    # History has no event of an attempt that its closing workflow ended; describe shows it.
    if isinstance(ended, Unknown) or listed is None or not ended.is_workflow_end:
        return ended
    last = to_pending(listed, scheduled_at)
    return replace(
        ended,
        attempt=last.attempt,
        started_at=last.started_at,
        last_failure=last.last_failure,
    )
