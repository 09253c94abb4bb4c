"""One call from its start to its end, as its client sees it.

The client never waits in a long request to Temporal: it looks, rests, and looks again. A request
that is cut off could keep the interpreter from exiting (seen with temporalio 1.35), so one that is
under way is let finish, also when the client is stopped.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import uuid4

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.converter import DataConverter
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    CancelledError,
    FailureError,
    TimeoutError,  # noqa: A004 - the SDK's name; the built-in one is not used here
)

from ringback.demo.request import CallRequest
from ringback.demo.steps import OnStep, Party, Step, log_step
from ringback.demo.workflow import TASK_QUEUE, CallService
from ringback.domain.errors import ActivityGoneError
from ringback.ports.clock import Clock
from ringback.temporal.rpc import translated

RPC_TIMEOUT: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class WorkflowReturned:
    """The workflow returned `result`, the service's answer."""

    result: Any


@dataclass(frozen=True, slots=True)
class WorkflowFailed:
    """The workflow failed, with the service's failure or an earlier one."""

    message: str
    type: str


@dataclass(frozen=True, slots=True)
class WorkflowCanceled:
    """The workflow was canceled; `details` are those that the service reported."""

    details: Sequence[Any]


@dataclass(frozen=True, slots=True)
class WorkflowTimedOut:
    """A timeout passed without an answer; `limit` names it."""

    limit: str


Ending = WorkflowReturned | WorkflowFailed | WorkflowCanceled | WorkflowTimedOut


async def read_ending(handle: WorkflowHandle[Any, Any], converter: DataConverter) -> Ending:
    """Return how the ended workflow of `handle` ended.

    Raises:
        RPCError: Temporal did not reply.
    """
    try:
        return WorkflowReturned(await handle.result(rpc_timeout=RPC_TIMEOUT))
    except WorkflowFailureError as exc:
        if isinstance(exc.cause, CancelledError):
            return WorkflowCanceled(await _reported_details(handle, converter))
        return to_ending(exc.cause)


def to_ending(failure: BaseException) -> WorkflowFailed | WorkflowTimedOut:
    """Return the ending for `failure`, by its root cause."""
    match failure:
        case ActivityError(cause=FailureError() as cause):
            return to_ending(cause)
        case TimeoutError(type=limit):
            name = "unknown" if limit is None else limit.name.lower().replace("_", " ")
            return WorkflowTimedOut(name)
        case ApplicationError(message=message, type=kind):
            return WorkflowFailed(message, kind or "unknown")
        case _:
            return WorkflowFailed(str(failure), type(failure).__name__)


async def _reported_details(
    handle: WorkflowHandle[Any, Any], converter: DataConverter
) -> Sequence[Any]:
    # A canceled workflow does not carry its activity's details; its history does.
    async for event in handle.fetch_history_events(rpc_timeout=RPC_TIMEOUT):
        if event.HasField("activity_task_canceled_event_attributes"):
            details = event.activity_task_canceled_event_attributes.details
            return await converter.decode(details.payloads)
    return []


T = TypeVar("T")

_LOOK_EVERY: Final = timedelta(milliseconds=250)
_EVENTS_OF_A_START: Final = 2
"""The length of the history that no worker has touched."""

_STARTED: Final = frozenset({
    PendingActivityState.PENDING_ACTIVITY_STATE_STARTED,
    PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED,
})

_NEWS: Final[dict[type[Ending], str]] = {
    WorkflowReturned: "the result",
    WorkflowFailed: "the failure",
    WorkflowCanceled: "canceled, with the details",
    WorkflowTimedOut: "timed out",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at the running workflow shows.

    Attributes:
        is_taken_up: Whether a worker has begun with it.
        is_asked: Whether the activity has been started.
        heartbeat: The details of the last heartbeat that Temporal has.
    """

    is_taken_up: bool
    is_asked: bool
    heartbeat: Sequence[Any]


class WorkflowCall:
    """A workflow that was started, and is looked at until it ends."""

    def __init__(
        self,
        client: Client,
        handle: WorkflowHandle[Any, Any],
        clock: Clock,
        *,
        on_step: OnStep = log_step,
    ) -> None:
        """Look at the workflow of `handle`, rest by `clock`, and report steps to `on_step`."""
        self._on_step = on_step
        self._client = client
        self._handle = handle
        self._clock = clock

    @property
    def workflow_id(self) -> str:
        """The workflow's id."""
        return self._handle.id

    async def looks(self) -> AsyncIterator[Look]:
        """Look again and again, until the workflow has ended.

        Raises:
            RingbackError: Temporal cannot be reached, or does not know the workflow.
        """
        while True:
            seen = await finished(self._handle.describe(rpc_timeout=RPC_TIMEOUT))
            if seen.status is not WorkflowExecutionStatus.RUNNING:
                return
            yield await self._to_look(seen)
            await self._clock.sleep(_LOOK_EVERY)

    async def cancel(self) -> None:
        """Request that the workflow cancels; if it has just ended, nothing happens.

        Raises:
            RingbackError: Temporal cannot be reached, or refuses.
        """
        self._on_step(Step(Party.CLIENT, Party.TEMPORAL, "cancel the workflow"))
        with suppress(ActivityGoneError):
            await finished(self._handle.cancel(rpc_timeout=RPC_TIMEOUT))

    async def ending(self) -> Ending:
        """Return how the workflow ended, once it has.

        Raises:
            RingbackError: Temporal cannot be reached, or does not know the workflow.
        """
        ending = await finished(read_ending(self._handle, self._client.data_converter))
        self._on_step(Step(Party.TEMPORAL, Party.CLIENT, _NEWS[type(ending)]))
        return ending

    async def _to_look(self, seen: WorkflowExecutionDescription) -> Look:
        pending = seen.raw_description.pending_activities
        details = pending[0].heartbeat_details.payloads if pending else []
        return Look(
            is_taken_up=seen.history_length > _EVENTS_OF_A_START,
            is_asked=any(one.state in _STARTED for one in pending),
            heartbeat=await self._client.data_converter.decode(details),
        )


async def start_call(
    client: Client,
    request: CallRequest,
    clock: Clock,
    *,
    task_queue: str = TASK_QUEUE,
    on_step: OnStep = log_step,
) -> WorkflowCall:
    """Start the workflow for `request` on `task_queue`; report the client's steps to `on_step`.

    Raises:
        RingbackError: Temporal cannot be reached, or refuses.
    """
    on_step(Step(Party.CLIENT, Party.TEMPORAL, "start CallService"))
    handle = await finished(
        client.start_workflow(
            CallService.run,
            request,
            id=f"call-service-{uuid4()}",
            task_queue=task_queue,
            execution_timeout=request.execution_timeout,
            rpc_timeout=RPC_TIMEOUT,
        )
    )
    return WorkflowCall(client, handle, clock, on_step=on_step)


async def finished(request: Coroutine[Any, Any, T]) -> T:
    """Return what `request` to Temporal returns; if canceled meanwhile, let it finish first.

    Raises:
        RingbackError: Temporal cannot be reached, or refuses.
        CancelledError: The caller was canceled, and `request` has finished.
    """
    task = asyncio.ensure_future(request)
    try:
        with translated():
            return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
