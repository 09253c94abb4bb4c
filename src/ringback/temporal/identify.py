"""Identify: an attempt of another worker, as the server shows it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.service import WorkflowService

from ringback.domain.activity_state import Ended, Pending
from ringback.domain.callback import ActivityExecution
from ringback.domain.completion_errors import UnusableTokenError
from ringback.domain.errors import ActivityGoneError, MalformedRequestError, Problem
from ringback.domain.opening import RunningAttempt
from ringback.ports.activities import AttemptRef
from ringback.temporal import standalone
from ringback.temporal.describe import describe, find_pending, to_instant, to_pending
from ringback.temporal.history import newest_first
from ringback.temporal.rpc import translated
from ringback.temporal.token import TaskToken, read_token

_AT: Final = "/activity/task_token"
_ANOTHER: Final = "it is not the task token of this activity and attempt"
_OVER: Final = "the attempt is no longer running; let it end"
_NOT_KNOWN_YET: Final = datetime(1970, 1, 1, tzinfo=UTC)


class TemporalIdentifier:
    """`Identifier` through a client of the SDK."""

    def __init__(self, client: Client) -> None:
        """Use the connection of `client`, for activities of all namespaces."""
        self._service = client.workflow_service

    async def identify(self, named: AttemptRef) -> RunningAttempt:
        claim = check_token(named)
        if named.known is not None:
            return named.known
        ref = ActivityExecution(
            named.namespace, named.workflow_id, named.run_id, named.activity_id, _NOT_KNOWN_YET
        )
        if ref.is_standalone:
            return await _standalone(self._service, ref, named)
        return await _of_workflow(self._service, ref, named, claim=claim)


def check_token(named: AttemptRef) -> TaskToken:
    """Check that the token of `named` matches its ids, and return its content.

    The token is unsigned and proves nothing, but a mix-up would deliver to another activity.

    Raises:
        MalformedRequestError: It is not a task token, or that of another attempt or activity; send
            the token that the SDK passes to this attempt.
    """
    try:
        claim = read_token(named.task_token)
    except UnusableTokenError as exc:
        raise MalformedRequestError([Problem(_AT, str(exc))]) from None
    claimed = claim.workflow_id, claim.run_id, claim.activity_id or named.activity_id, claim.attempt
    if claimed != (named.workflow_id, named.run_id, named.activity_id, named.attempt):
        raise MalformedRequestError([Problem(_AT, _ANOTHER)])
    return claim


async def _of_workflow(
    service: WorkflowService, ref: ActivityExecution, named: AttemptRef, *, claim: TaskToken
) -> RunningAttempt:
    described = await describe(service, ref)
    found = find_pending(ref, described)
    if found is None:
        raise ActivityGoneError(_OVER)
    with translated(ref):
        scheduled = await _scheduled(service, ref)
    if claim.scheduled_event_id != scheduled.event_id:
        # Ids recur in a run: this is the token of an earlier activity with this id.
        raise MalformedRequestError([Problem(_AT, _ANOTHER)])
    scheduled_at = to_instant(scheduled.event_time)
    pending = to_pending(found, scheduled_at)
    return RunningAttempt(
        ref=replace(ref, scheduled_at=scheduled_at),
        number=named.attempt,
        started_at=_start_of(pending, named),
        task_token=named.task_token,
        workflow_type=described.workflow_execution_info.type.name,
        activity_type=found.activity_type.name,
        task_queue=found.activity_options.task_queue.name,
        timeout_at=pending.attempt_timeout_at,
        schedule_to_close=_or_none(found.activity_options.schedule_to_close_timeout),
        heartbeat_timeout=pending.heartbeat_timeout,
    )


async def _scheduled(service: WorkflowService, ref: ActivityExecution) -> HistoryEvent:
    # Describe shows when the current attempt was scheduled, not the activity. Ids recur in a run,
    # but only the activity that was scheduled last can wait.
    async for event in newest_first(service, ref):
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            attributes = event.activity_task_scheduled_event_attributes
            if attributes.activity_id == ref.activity_id:
                return event
    raise ActivityGoneError(_OVER)


async def _standalone(
    service: WorkflowService, ref: ActivityExecution, named: AttemptRef
) -> RunningAttempt:
    described = await standalone.describe(service, ref)
    pending = standalone.to_activity_state(described)
    if isinstance(pending, Ended):
        raise ActivityGoneError(_OVER)
    info = described.info
    return RunningAttempt(
        ref=replace(ref, scheduled_at=to_instant(info.schedule_time)),
        number=named.attempt,
        started_at=_start_of(pending, named),
        task_token=named.task_token,
        workflow_type="",
        activity_type=info.activity_type.name,
        task_queue=info.task_queue,
        timeout_at=pending.attempt_timeout_at,
        schedule_to_close=_or_none(info.schedule_to_close_timeout),
        heartbeat_timeout=_or_none(info.heartbeat_timeout),
    )


def _start_of(pending: Pending, named: AttemptRef) -> datetime:
    if not pending.is_started or pending.started_at is None or pending.attempt != named.attempt:
        raise ActivityGoneError(_OVER)
    return pending.started_at


def _or_none(duration: Duration) -> timedelta | None:
    return duration.ToTimedelta() or None
