"""Activities that wait on a real server until the command line answers them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, cast
from uuid import uuid4

from temporalio import activity, workflow
from temporalio.api.common.v1 import Payloads
from temporalio.api.workflowservice.v1 import DescribeActivityExecutionRequest
from temporalio.client import ActivityFailureError, ActivityHandle, Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from ringback import Callback, RingbackPlugin, wait_for_callback
    from ringback.app.stores import opened_store
    from ringback.app.system import SystemClock
    from ringback.domain.ids import CallbackId
    from ringback.temporal.activities import TemporalActivities
    from tests.acceptance.command_line import Command
    from tests.acceptance.programs import LIMIT_SECONDS
    from tests.acceptance.site import Site
    from tests.polling import pause

_ANY_JSON: Final = cast("type[Any]", object)
_OPTIONS: Final[dict[str, Any]] = {
    "start_to_close_timeout": timedelta(seconds=60),
    "retry_policy": RetryPolicy(initial_interval=timedelta(milliseconds=100)),
}


@workflow.defn
class Waiting:
    """Waits for one activity, and returns how it ended."""

    def __init__(self) -> None:
        """Start without an activity."""
        self._asked: workflow.ActivityHandle[Any] | None = None

    @workflow.run
    async def run(self, result_type: str) -> Any:
        """Return the result, or the fields of the failure."""
        self._asked = workflow.start_activity(
            "ask",
            result_type,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
            **_OPTIONS,
        )
        try:
            return await self._asked
        except ActivityError as exc:
            return _describe_failure(exc.cause)

    @workflow.signal
    def cancel_it(self) -> None:
        """Request the cancellation of the activity."""
        assert self._asked is not None
        self._asked.cancel()


def _describe_failure(cause: BaseException | None) -> dict[str, Any]:
    match cause:
        case ApplicationError():
            return {
                "failed": cause.message,
                "type": cause.type,
                "non_retryable": cause.non_retryable,
                "details": list(cause.details),
            }
        case CancelledError():
            return {"canceled": list(cause.details)}
        case _:
            return {"other": repr(cause)}


@dataclass
class Result:
    """A result type with a required field."""

    approved: bool


_TYPES: Final[dict[str, type[Any]]] = {"any": _ANY_JSON, "bool": bool, "result": Result}


@dataclass
class Question:
    """An activity that waits: its latest attempt, and its callback."""

    env: "Env"
    handle: WorkflowHandle[Any, Any] | ActivityHandle[Any]
    info: activity.Info
    callback: Callback

    def named(self, way: str) -> list[str]:
        """Return the options that name the activity by `token`, `ids` or `callback`."""
        match way:
            case "token":
                return ["--token", self.info.task_token.hex()]
            case "callback":
                return ["--callback", self.callback.id]
            case _:
                return self.ids

    @property
    def ids(self) -> list[str]:
        """The options that name the activity by its ids."""
        run_id = self.info.workflow_run_id or self.info.activity_run_id
        own = ["--activity-id", self.info.activity_id, "--run-id", str(run_id)]
        in_workflow = ["--workflow-id", self.info.workflow_id] if self.info.workflow_id else []
        return [*own, *in_workflow]

    async def end(self) -> Any:
        """Return how the activity ended."""
        async with asyncio.timeout(LIMIT_SECONDS):
            try:
                return await self.handle.result()
            except ActivityFailureError as exc:
                return _describe_failure(exc.cause)

    async def result_in_history(self) -> str:
        """Return the JSON result of the activity from the history of its workflow."""
        assert isinstance(self.handle, WorkflowHandle), "a standalone activity has no history"
        (ended,) = [
            event.activity_task_completed_event_attributes
            for event in (await self.handle.fetch_history()).events
            if event.HasField("activity_task_completed_event_attributes")
        ]
        return ended.result.payloads[0].data.decode()

    async def request_cancel(self) -> None:
        """Request its cancellation; return once Temporal shows the request."""
        if isinstance(self.handle, ActivityHandle):
            await self.handle.cancel()
        else:
            await self.handle.signal(Waiting.cancel_it)
        async with opened_store(self.env.site.settings, SystemClock()) as store:
            ref = (await store.find([CallbackId(self.callback.id)]))[self.callback.id].ref
        activities = TemporalActivities(self.env.client)
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                (pending,) = await activities.poll([ref])
                if pending is not None and pending.cancel_requested:
                    return
                await pause()

    async def heartbeat_details(self) -> Any:
        """Return the heartbeat details that Temporal recorded."""
        (value,) = await self.env.client.data_converter.decode(
            list((await self._details()).payloads)
        )
        return value

    async def _details(self) -> Payloads:
        if isinstance(self.handle, WorkflowHandle):
            described = await self.handle.describe()
            return described.raw_description.pending_activities[0].heartbeat_details
        request = DescribeActivityExecutionRequest(
            namespace="default", activity_id=self.handle.id, include_heartbeat_details=True
        )
        answer = await self.env.client.workflow_service.describe_activity_execution(request)
        return answer.info.heartbeat_details

    async def next_attempt(self) -> activity.Info:
        """Return the next attempt once it waits."""
        return (await self.env.next_of(self.handle.id))[0]


@dataclass
class Env:
    """A site, and a worker whose activities wait."""

    site: Site
    client: Client
    task_queue: str = field(default_factory=lambda: f"commanded-{uuid4()}")
    waiting: dict[str, asyncio.Queue[tuple[activity.Info, Callback]]] = field(default_factory=dict)

    @property
    def ringback(self) -> Command:
        """The command line."""
        return Command(self.site)

    async def ask(
        self, kind: str = "workflow", result_type: str = "any", *, name: str = ""
    ) -> Question:
        """Start an activity, in a workflow or `standalone`; return it once it waits."""
        name = name or f"test-{uuid4()}"
        self.waiting[name] = asyncio.Queue()
        handle: WorkflowHandle[Any, Any] | ActivityHandle[Any]
        if kind == "standalone":
            handle = await self.client.start_activity(
                "ask", result_type, id=name, task_queue=self.task_queue, **_OPTIONS
            )
        else:
            handle = await self.client.start_workflow(
                Waiting.run, result_type, id=name, task_queue=self.task_queue
            )
        return Question(self, handle, *await self.next_of(name))

    async def next_of(self, name: str) -> tuple[activity.Info, Callback]:
        """Return the next attempt of an activity once it waits."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return await self.waiting[name].get()

    async def attend(self, callback: Callback) -> None:
        """Record an attempt that is about to wait."""
        info = activity.info()
        self.waiting[info.workflow_id or info.activity_id].put_nowait((info, callback))


@asynccontextmanager
async def run_env(site: Site) -> AsyncIterator[Env]:
    """Run a worker on the site for the block."""
    plugin = RingbackPlugin(url=site.gateway_url, api_key=site.worker_key)
    env = Env(site, await Client.connect(site.temporal_address, plugins=[plugin]))

    @activity.defn(name="ask")
    async def ask(result_type: str) -> Any:
        # Each attempt submits, so that the test sees it.
        return await wait_for_callback(env.attend, _TYPES[result_type], resubmit=True)

    async with Worker(env.client, task_queue=env.task_queue, workflows=[Waiting], activities=[ask]):
        yield env
