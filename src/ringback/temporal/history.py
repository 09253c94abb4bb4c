"""History: how an activity ended, and whose request ended it."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.service import WorkflowService

from ringback.domain.activity_state import Ended, Unknown
from ringback.domain.callback import ActivityExecution
from ringback.temporal.describe import to_instant, to_last_failure
from ringback.temporal.requests import read_history
from ringback.temporal.rpc import NO_METADATA, TIMEOUT, Metadata, in_time

_ACTIVITY_ENDS: Final = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: (
        "completed",
        "activity_task_completed_event_attributes",
    ),
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: ("failed", "activity_task_failed_event_attributes"),
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: (
        "timed out",
        "activity_task_timed_out_event_attributes",
    ),
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: (
        "canceled",
        "activity_task_canceled_event_attributes",
    ),
}

_WORKFLOW_ENDS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "workflow completed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "workflow failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "workflow timed out",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "workflow canceled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "workflow terminated",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "workflow continued as new",
}


async def find_ends(
    service: WorkflowService, refs: Sequence[ActivityExecution]
) -> Sequence[Ended | Unknown | None]:
    """Return how activities of one run ended; `None` for a scheduled one that has not ended.

    The result is `Unknown` if history does not show that the activity was scheduled.

    History is read once, from its newest event back to the first that scheduled one of them, so the
    cost does not grow with earlier events.

    Raises:
        RPCError: The server's error, untranslated.
    """
    ends: dict[int, Ended] = {}
    closed: Ended | None = None
    found: dict[tuple[str, datetime], Ended | None] = {}
    wanted = {(ref.activity_id, ref.scheduled_at) for ref in refs}
    async for event in newest_first(service, refs[0]):
        if event.event_type in _ACTIVITY_ENDS:
            ends.update([_activity_end(event)])
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            _add_attempt(ends, event)
        elif event.event_type in _WORKFLOW_ENDS:
            how = _WORKFLOW_ENDS[event.event_type]
            closed = Ended(how, to_instant(event.event_time), "", event.event_id)
        elif (scheduled := _scheduled(event)) in wanted:
            found[scheduled] = ends.get(event.event_id, closed)
            if found.keys() == wanted:
                break
    return [_end_of(ref, found) for ref in refs]


def _end_of(
    ref: ActivityExecution, found: Mapping[tuple[str, datetime], Ended | None]
) -> Ended | Unknown | None:
    scheduled = ref.activity_id, ref.scheduled_at
    if scheduled in found:
        return found[scheduled]
    return Unknown(f"its history has no activity {ref.activity_id!r} scheduled then")


def _scheduled(event: HistoryEvent) -> tuple[str, datetime] | None:
    if event.event_type != EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
        return None
    activity_id = event.activity_task_scheduled_event_attributes.activity_id
    return activity_id, to_instant(event.event_time)


def _activity_end(event: HistoryEvent) -> tuple[int, Ended]:
    how, name = _ACTIVITY_ENDS[event.event_type]
    attributes = getattr(event, name)
    # The event of a timeout has no identity.
    identity = getattr(attributes, "identity", "")
    ended = Ended(how, to_instant(event.event_time), identity, event.event_id)
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
        ended = replace(ended, failure=to_last_failure(attributes.failure))
    return attributes.scheduled_event_id, ended


def _add_attempt(ends: dict[int, Ended], event: HistoryEvent) -> None:
    # Written together with the end: the attempt's number, and how the one before it ended. The
    # event has the time of the attempt's start (observed on server 1.32).
    started = event.activity_task_started_event_attributes
    ended = ends.get(started.scheduled_event_id)
    if ended is not None:
        before = to_last_failure(started.last_failure) if started.HasField("last_failure") else None
        ends[started.scheduled_event_id] = replace(
            ended,
            attempt=started.attempt,
            started_at=to_instant(event.event_time),
            last_failure=before,
        )


def senders(event: HistoryEvent) -> set[str]:
    """Return the identities whose outcomes an event of an activity shows."""
    if event.event_type in _ACTIVITY_ENDS:
        return {_activity_end(event)[1].identity}
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
        # The failure of the attempt before, which has no event of its own.
        started = event.activity_task_started_event_attributes
        return {to_last_failure(started.last_failure).source}
    return set()


async def newest_first(
    service: WorkflowService,
    ref: ActivityExecution,
    *,
    within: timedelta = TIMEOUT,
    metadata: Metadata = NO_METADATA,
) -> AsyncIterator[HistoryEvent]:
    """Yield the events of the run of `ref`, newest first.

    Args:
        service: The server.
        ref: An activity of that run.
        within: The timeout of each request.
        metadata: Headers of the requests.

    Raises:
        RPCError: The server's error, untranslated.
    """
    token = b""
    while True:
        request = read_history(service, ref, page=token, metadata=metadata)
        page = await in_time(request, within=within)
        for event in page.history.events:
            yield event
        token = page.next_page_token
        if not token:
            return
