"""The real server with a worker on it, and activities that wait there."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import uuid4

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    DescribeWorkflowExecutionRequest,
    DescribeWorkflowExecutionResponse,
    GetWorkflowExecutionHistoryRequest,
)
from temporalio.client import AsyncActivityHandle, Client, WorkflowHandle
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from tests.integration.facts import workflows
from tests.integration.facts.workflows import Ask, Asking
from tests.polling import pause

LIMIT_SECONDS = 20
SPARES = 6

Body = Callable[[], Awaitable[Any]]
T = TypeVar("T")


async def until(look: Callable[[], Awaitable[T]], holds: Callable[[T], object]) -> T:
    """Look until the condition holds; return what was seen then."""
    async with asyncio.timeout(LIMIT_SECONDS):
        while True:
            seen = await look()
            if holds(seen):
                return seen
            await pause()


def instant(timestamp: Timestamp) -> datetime:
    """Return a protobuf timestamp as the SDK shows it: in UTC, cut to microseconds."""
    return timestamp.ToDatetime(tzinfo=UTC)


@dataclass(frozen=True)
class Attempt:
    """One attempt of the activity, which has reported its ids and its token."""

    client: Client
    info: activity.Info

    @property
    def by_token(self) -> AsyncActivityHandle:
        """The SDK's handle for the token of this attempt."""
        return self.client.get_async_activity_handle(task_token=self.info.task_token)

    @property
    def by_id(self) -> AsyncActivityHandle:
        """The SDK's handle for the ids, with this run's."""
        return self.by_id_in(self.info.workflow_run_id or self.info.activity_run_id)

    def by_id_in(self, run_id: str | None) -> AsyncActivityHandle:
        """Return the SDK's handle for the ids in another run, or in whichever is open."""
        where, activity_id = self.info.workflow_id, self.info.activity_id
        if where is None:
            return self.client.get_async_activity_handle(activity_id=activity_id, run_id=run_id)
        return self.client.get_async_activity_handle(
            workflow_id=where, run_id=run_id, activity_id=activity_id
        )


@dataclass(frozen=True)
class Question:
    """A workflow whose activity waits."""

    client: Client
    handle: WorkflowHandle[Any, Any]
    attempts: asyncio.Queue[Attempt]

    @property
    def execution(self) -> WorkflowExecution:
        """The run that was started."""
        return WorkflowExecution(
            workflow_id=self.handle.id, run_id=self.handle.first_execution_run_id or ""
        )

    async def next(self) -> Attempt:
        """Return the next attempt, once it runs."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return await self.attempts.get()

    async def result(self) -> Any:
        """Return what the workflow returns."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return await self.handle.result()

    async def describe(self, run_id: str | None = None) -> DescribeWorkflowExecutionResponse:
        """Return what the server says about the run."""
        execution = WorkflowExecution(
            workflow_id=self.handle.id, run_id=run_id or self.execution.run_id
        )
        return await self.client.workflow_service.describe_workflow_execution(
            DescribeWorkflowExecutionRequest(namespace=self.client.namespace, execution=execution)
        )

    async def pending(self, run_id: str | None = None) -> PendingActivityInfo:
        """Return what the server says about the one activity that is not over."""
        (found,) = (await self.describe(run_id)).pending_activities
        return found

    async def until_over(self) -> None:
        """Return once no activity is pending."""
        await until(self.describe, lambda seen: not seen.pending_activities)

    async def history(self, run_id: str | None = None) -> list[HistoryEvent]:
        """Return the events of the run, oldest first."""
        answer = await self.client.workflow_service.get_workflow_execution_history(
            GetWorkflowExecutionHistoryRequest(
                namespace=self.client.namespace,
                execution=WorkflowExecution(
                    workflow_id=self.handle.id, run_id=run_id or self.execution.run_id
                ),
            )
        )
        return list(answer.history.events)

    async def events(self, kind: str, run_id: str | None = None) -> list[Any]:
        """Return the attributes of every event of one kind, such as `activity_task_failed`."""
        name = f"{kind}_event_attributes"
        return [
            getattr(event, name)
            for event in await self.history(run_id)
            if event.WhichOneof("attributes") == name
        ]


Twice = tuple[Question, Attempt, Attempt]


@dataclass
class Env:
    """Where questions are asked: a client, and a task queue with a worker on it."""

    client: Client
    task_queue: str
    attempts: defaultdict[str, asyncio.Queue[Attempt]] = field(
        default_factory=lambda: defaultdict(asyncio.Queue)
    )
    bodies: dict[str, Body] = field(default_factory=dict)
    asked: list[Question] = field(default_factory=list)
    spares: list[Twice] = field(default_factory=list)

    async def ask(
        self, asking: Asking | None = None, *, workflow: Any = Ask, **options: Any
    ) -> tuple[Question, Attempt]:
        """Start a workflow; return it and its first attempt, which runs or waits."""
        question = await self.start(asking or Asking(), workflow=workflow, **options)
        return question, await question.next()

    async def ask_twice(self) -> Twice:
        """Return a workflow whose first attempt failed, with both its attempts.

        The next attempt takes the server a second, so some are made at once and kept for later.
        """
        if not self.spares:
            self.spares.extend(await asyncio.gather(*(self._ask_twice() for _ in range(SPARES))))
        return self.spares.pop()

    async def _ask_twice(self) -> Twice:
        question, first = await self.ask(Asking(back_off=0.01, start_to_close=600))
        await first.by_token.fail(RuntimeError("the first attempt"))
        return question, first, await question.next()

    async def start(
        self, asking: Asking, *, workflow: Any = Ask, body: Body | None = None, **options: Any
    ) -> Question:
        """Start a workflow whose activity runs `body`, or goes asynchronous at once."""
        options = {"id": f"test-{uuid4()}", "task_queue": self.task_queue, **options}
        if body is not None:
            self.bodies[options["id"]] = body
        handle = await self.client.start_workflow(workflow.run, asking, **options)
        question = Question(self.client, handle, self.attempts[handle.id])
        self.asked.append(question)
        return question

    @activity.defn(name="ask")
    async def run(self) -> Any:
        """Tell about the attempt, then run the body or go asynchronous."""
        body = self.bodies.get(self._tell(activity.info()))
        if body is not None:
            return await body()
        activity.raise_complete_async()

    def _tell(self, info: activity.Info) -> str:
        key = info.workflow_id or info.activity_id
        self.attempts[key].put_nowait(Attempt(self.client, info))
        return key

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        """Run a worker for the block."""
        loop = asyncio.get_running_loop()

        @activity.defn(name="ask in a thread")
        def ask_in_a_thread() -> Any:
            loop.call_soon_threadsafe(self._tell, activity.info())
            activity.raise_complete_async()

        with ThreadPoolExecutor(1) as threads:
            async with Worker(
                self.client,
                task_queue=self.task_queue,
                workflows=workflows.ALL,
                workflow_runner=UnsandboxedWorkflowRunner(),
                activities=[self.run, ask_in_a_thread],
                activity_executor=threads,
            ):
                yield

    async def close(self) -> None:
        """Terminate what is still open, so that no timer of it disturbs another test."""
        kept = [question for question, *_ in self.spares]
        used = [question for question in self.asked if question not in kept]
        self.asked = kept
        await asyncio.gather(*(_terminate(question) for question in used))


async def _terminate(question: Question) -> None:
    with suppress(RPCError):
        await question.client.get_workflow_handle(question.handle.id).terminate()


def seconds(value: float) -> timedelta:
    """Return a duration."""
    return timedelta(seconds=value)
