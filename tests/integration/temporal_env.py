"""The real server as an environment of the contract of `Activities`."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from ringback.domain.activity_state import ActivityState, Ended
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.outcome import Completed, Failed
from ringback.temporal.activities import TemporalActivities
from ringback.temporal.heartbeats import TemporalHeartbeats
from ringback.worker.runtime import to_ref
from tests import factories
from tests.contract.activities.env import NOT_SOON, Again, Plan
from tests.integration.facts import operator_actions
from tests.integration.facts.env import Attempt, Question, instant, until
from tests.integration.planned_workflow import PlannedWorkflow, WorkflowPlan


@dataclass
class TemporalActivityRun:
    """A workflow on the server."""

    activities: TemporalActivities
    question: Question
    worker: "TemporalWorker"
    is_soon_followed: bool
    is_hurried: bool = False
    attempt: Attempt = field(init=False)
    callback: Callback = field(init=False)

    async def next_attempt(self) -> Callback:
        self.attempt = await self.question.next()
        self.callback = await _open(self.attempt)
        if self.is_hurried:
            await self._set_start_to_close(NOT_SOON.total_seconds())
            self.is_hurried = False
        return self.callback

    async def end_in_worker(self, outcome: Completed | Failed) -> None:
        self.worker.commands[self.question.handle.id].put_nowait(outcome)
        await self._until_the_attempt_has_ended()

    async def time_out(self) -> None:
        # Where another attempt follows it must live until it is given its time back.
        self.is_hurried = self.is_soon_followed
        await self._set_start_to_close(1 if self.is_soon_followed else 0.001)
        await self._until_the_attempt_has_ended()

    async def _set_start_to_close(self, seconds: float) -> None:
        await operator_actions.update_options(self.question, start_to_close=seconds)

    async def _until_the_attempt_has_ended(self) -> None:
        await until(self._locate, lambda found: isinstance(found, Ended) or not _is_started(found))

    async def _locate(self) -> ActivityState:
        return await self.activities.resolve(self.callback.ref)

    async def request_cancel(self) -> None:
        await self.question.handle.cancel()
        await until(
            self._locate,
            lambda found: isinstance(found, Ended) or getattr(found, "cancel_requested", False),
        )

    async def pause(self) -> None:
        await operator_actions.pause(self.question)

    async def unpause(self) -> None:
        await operator_actions.unpause(self.question)

    async def reset(self) -> None:
        await operator_actions.reset_activity(self.question)

    async def set_timeout(self, schedule_to_close: timedelta) -> None:
        seconds = schedule_to_close.total_seconds()
        await operator_actions.update_options(self.question, schedule_to_close=seconds)

    async def reset_workflow(self) -> Callback:
        run_id = self.callback.ref.run_id
        event_id = await self._step(run_id)
        await operator_actions.reset_workflow(self.question, event_id, run_id=run_id)
        return await self.next_attempt()

    async def _step(self, run_id: str) -> int:
        """Let the workflow have a task after its activity was scheduled; return its end."""
        before = {event.event_id for event in await self.question.history(run_id)}
        run = self.question.client.get_workflow_handle(self.question.handle.id, run_id=run_id)
        await run.signal("a step")

        async def steps() -> list[int]:
            return [
                event.event_id
                for event in await self.question.history(run_id)
                if event.event_id not in before
                and event.HasField("workflow_task_completed_event_attributes")
            ]

        return (await until(steps, bool))[0]

    async def terminate(self) -> None:
        await self.question.handle.terminate()


def _is_started(found: ActivityState) -> bool:
    return getattr(found, "is_started", False)


async def _open(attempt: Attempt) -> Callback:
    info = attempt.info
    request = factories.request_of(
        factories.request(ref=to_ref(info), attempt=info.attempt, task_token=info.task_token),
        started_at=info.started_time,
        workflow_type=info.workflow_type or "",
        activity_type=info.activity_type,
        task_queue=info.task_queue,
    )
    return await factories.opened(request)


@dataclass
class TemporalWorker:
    """Takes the attempts of all runs, and ends them on command."""

    client: Client
    task_queue: str = field(default_factory=lambda: f"test-{uuid4()}")
    attempts: defaultdict[str, asyncio.Queue[Attempt]] = field(
        default_factory=lambda: defaultdict(asyncio.Queue)
    )
    commands: dict[str, asyncio.Queue[Completed | Failed]] = field(default_factory=dict)

    @activity.defn(name="ask")
    async def run(self) -> Any:
        info = activity.info()
        workflow_id = info.workflow_id or ""
        self.attempts[workflow_id].put_nowait(Attempt(self.client, info))
        commands = self.commands.get(workflow_id)
        if commands is not None:
            return _return_or_raise(await commands.get())
        activity.raise_complete_async()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with Worker(
            self.client,
            task_queue=self.task_queue,
            workflows=[PlannedWorkflow],
            workflow_runner=UnsandboxedWorkflowRunner(),
            activities=[self.run],
        ):
            yield


def _return_or_raise(outcome: Completed | Failed) -> str:
    if isinstance(outcome, Failed):
        raise ApplicationError(
            outcome.message, type=outcome.type, non_retryable=outcome.non_retryable
        )
    return "the worker's own"


@dataclass
class TemporalEnv:
    """The real server, and workflows on it."""

    client: Client
    on: TemporalWorker
    runs: list[TemporalActivityRun] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.activities = TemporalActivities(self.client)
        self.heartbeats = TemporalHeartbeats(self.client)

    @property
    def worker(self) -> str:
        return self.client.identity

    async def start(self, plan: Plan) -> TemporalActivityRun:
        run = await self._begin(plan)
        if plan.has_worker:
            await run.next_attempt()
        else:
            (ref,) = await _scheduled(run.question, plan)
            run.callback = await factories.opened(factories.request(ref=ref, task_token=None))
        return run

    async def start_many(self, plan: Plan) -> list[ActivityExecution]:
        run = await self._begin(plan)
        asked = [await run.next_attempt() for _ in range(plan.activities)]
        return [callback.ref for callback in asked]

    async def _begin(self, plan: Plan) -> TemporalActivityRun:
        workflow_id = plan.workflow_id or f"test-{uuid4()}"
        if plan.stays_in_worker:
            self.on.commands[workflow_id] = asyncio.Queue()
        handle = await self.client.start_workflow(
            PlannedWorkflow.run,
            self._workflow_plan(plan),
            id=workflow_id,
            task_queue=self.on.task_queue,
        )
        question = Question(self.client, handle, self.on.attempts[workflow_id])
        is_soon_followed = plan.back_off < NOT_SOON
        run = TemporalActivityRun(self.activities, question, self.on, is_soon_followed)
        self.runs.append(run)
        return run

    def _workflow_plan(self, plan: Plan) -> WorkflowPlan:
        in_all = plan.schedule_to_close
        return WorkflowPlan(
            activities=plan.activities,
            task_queue=self.on.task_queue if plan.has_worker else "nobody-works-here",
            back_off=plan.back_off.total_seconds(),
            most_attempts=plan.most_attempts,
            start_to_close=plan.start_to_close.total_seconds(),
            schedule_to_close=None if in_all is None else in_all.total_seconds(),
            most_back_off=NOT_SOON.total_seconds(),
            repeats=plan.again is Again.IN_THE_SAME_RUN,
            continues=plan.again is Again.IN_A_NEW_RUN,
        )

    async def close(self) -> None:
        """Terminate what is still open."""
        await asyncio.gather(*(self._close(run) for run in self.runs))

    async def _close(self, run: TemporalActivityRun) -> None:
        with suppress(RPCError):
            await self.client.get_workflow_handle(run.question.handle.id).terminate()


async def _scheduled(question: Question, plan: Plan) -> list[ActivityExecution]:
    """Return the activities that history shows."""

    async def refs() -> list[ActivityExecution]:
        return [
            ActivityExecution(
                question.client.namespace,
                question.handle.id,
                question.execution.run_id,
                event.activity_task_scheduled_event_attributes.activity_id,
                instant(event.event_time),
            )
            for event in await question.history()
            if event.HasField("activity_task_scheduled_event_attributes")
        ]

    return await until(refs, lambda found: len(found) == plan.activities)
