"""Histories: how each question ended according to Temporal, read with the SDK alone."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from temporalio.api.common.v1 import Payloads, WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    GetWorkflowExecutionHistoryRequest,
)
from temporalio.client import Client

from chaos.facts import EndedAttempts, text_of
from chaos.script import Script
from chaos.values import values_in

_TIMEOUT: Final = timedelta(seconds=10)
_AT_ONCE: Final = 16

_CLOSES: Final = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "completed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "failed",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "timed out",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "canceled",
}

_ENDS: Final = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED: "completed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED: "failed",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT: "timed out",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED: "canceled",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED: "terminated",
}


@dataclass
class Execution:
    """One activity in a history.

    Attributes:
        key: Its question.
        activity_id: Its id, which another activity of the same workflow may share.
        how: How it closed; `None` if it is pending or its workflow closed first.
        identity: The identity that closed it.
        values: The values that it closed with.
        attempt: The last attempt; `None` if unknown.
        ended: How its attempts ended, as far as history shows.
    """

    key: str
    activity_id: str
    how: str | None = None
    identity: str = ""
    values: list[str] = field(default_factory=list)
    attempt: int | None = None
    ended: EndedAttempts = field(default_factory=dict)

    @property
    def ends_with_answer(self) -> bool:
        """Whether it closed with a new outcome: a timeout only repeats the last failure."""
        return self.how in {"completed", "failed", "canceled"}


@dataclass
class Story:
    """One workflow, from its history.

    Attributes:
        workflow_id: Its id.
        end: How it closed; `None` while it runs.
        executions: Its activities, by question.
        received: How each question ended for the workflow, and with which values.
    """

    workflow_id: str
    end: str | None = None
    executions: dict[str, Execution] = field(default_factory=dict)
    received: dict[str, tuple[str, list[str]]] | None = None


async def read_histories(client: Client, scripts: Iterable[Script]) -> dict[str, Story]:
    """Return the stories of all workflows, by workflow id."""
    room = asyncio.Semaphore(_AT_ONCE)

    async def read(script: Script) -> Story:
        async with room:
            return await _read(client, script.workflow_id)

    stories = await asyncio.gather(*(read(script) for script in scripts))
    return {story.workflow_id: story for story in stories}


async def _read(client: Client, workflow_id: str) -> Story:
    story = Story(workflow_id)
    scheduled: dict[int, Execution] = {}
    async for event in _events(client, workflow_id):
        _take(story, scheduled, event)
    if any(execution.how is None for execution in scheduled.values()):
        await _take_pending(client, story)
    return story


def _take(story: Story, scheduled: dict[int, Execution], event: HistoryEvent) -> None:
    kind = event.event_type
    if kind == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
        wanted = event.activity_task_scheduled_event_attributes
        execution = Execution(_decode(wanted.input)[0]["key"], wanted.activity_id)
        scheduled[event.event_id] = story.executions[execution.key] = execution
    elif kind == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
        started = event.activity_task_started_event_attributes
        execution = scheduled[started.scheduled_event_id]
        execution.attempt = started.attempt
        if started.HasField("last_failure"):
            execution.ended[started.attempt - 1] = values_in(text_of(started.last_failure))
    elif kind in _CLOSES:
        _close(scheduled, event)
    elif kind in _ENDS:
        story.end = _ENDS[kind]
        if kind == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
            result = event.workflow_execution_completed_event_attributes.result
            story.received = _received(_decode(result)[0])


def _close(scheduled: dict[int, Execution], event: HistoryEvent) -> None:
    attributes: Any = getattr(event, str(event.WhichOneof("attributes")))
    execution = scheduled[attributes.scheduled_event_id]
    execution.how = _CLOSES[event.event_type]
    # The event of a timeout has no identity.
    execution.identity = getattr(attributes, "identity", "")
    execution.values = values_in(str(attributes))
    if execution.attempt is not None and not execution.ends_with_answer:
        execution.ended.setdefault(execution.attempt, [])


async def _take_pending(client: Client, story: Story) -> None:
    """Add what Temporal reports about activities that never closed."""
    request = DescribeWorkflowExecutionRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=story.workflow_id)
    )
    found = await client.workflow_service.describe_workflow_execution(request, timeout=_TIMEOUT)
    for pending in found.pending_activities:
        for execution in story.executions.values():
            if execution.how is None and execution.activity_id == pending.activity_id:
                execution.attempt = pending.attempt
                if pending.attempt > 1:
                    execution.ended[pending.attempt - 1] = values_in(text_of(pending.last_failure))


def _received(result: Sequence[dict[str, str]]) -> dict[str, tuple[str, list[str]]]:
    return {one["key"]: (one["how"], values_in(one["text"])) for one in result}


def _decode(payloads: Payloads) -> list[Any]:
    return [json.loads(payload.data) for payload in payloads.payloads]


async def _events(client: Client, workflow_id: str) -> AsyncIterator[HistoryEvent]:
    request = GetWorkflowExecutionHistoryRequest(
        namespace=client.namespace, execution=WorkflowExecution(workflow_id=workflow_id)
    )
    while True:
        page = await client.workflow_service.get_workflow_execution_history(
            request, timeout=_TIMEOUT
        )
        for event in page.history.events:
            yield event
        if not page.next_page_token:
            return
        request.next_page_token = page.next_page_token
