"""What happens to an activity in Temporal, real or fake: timeouts, pauses, resets."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, assert_never
from uuid import uuid4

from google.protobuf.field_mask_pb2 import FieldMask
from temporalio.api.activity.v1 import ActivityOptions
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.api.workflowservice.v1 import (
    PauseActivityRequest,
    ResetActivityRequest,
    ResetWorkflowExecutionRequest,
    UnpauseActivityRequest,
    UpdateActivityOptionsRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from ringback.testing.activity_run import ActivityRun
from ringback.testing.kit_activities import KitActivities
from ringback.testing.open_callback import Moment, OpenCallback

_SOON: Final = timedelta(milliseconds=1)
_PATIENCE: Final = timedelta(seconds=15)
"""How long the server and the gateway, which polls every few seconds, may take."""

_LOOK_EVERY: Final = 0.02
_BY: Final = "an operator of the test"


class TemporalOperator:
    """Does to activities what an operator or time does to them in Temporal."""

    def __init__(self, client: Client) -> None:
        """Use `client`."""
        self._client = client
        self._service = client.workflow_service

    @asynccontextmanager
    async def at(self, moment: Moment, callback: OpenCallback) -> AsyncIterator[None]:
        """Bring about a moment for the block."""
        match moment:
            case "now":
                yield
            case "between attempts":
                await self._time_out_attempt(callback)
                yield
            case "while paused":
                await self._service.pause_activity(PauseActivityRequest(**self._named(callback)))
                try:
                    yield
                finally:
                    await self._unpause(callback)
            case "after a reset":
                await self._service.reset_activity(ResetActivityRequest(**self._named(callback)))
                yield
            case "after a workflow reset":
                await self._reset_workflow(callback)
                yield
            case _:
                assert_never(moment)

    async def time_out(self, callback: OpenCallback) -> None:
        """Let the activity time out for good; return once the gateway has noticed."""
        await self._update(callback, schedule_to_close=_SOON)

        async def has_noticed() -> bool:
            return (await callback.show()).expired_at is not None

        await _until(has_noticed, "the gateway has noticed the timeout")

    async def cancel(self, callback: OpenCallback) -> None:
        """Cancel the workflow, which cancels its activity; wait for the gateway to notice."""
        await self._client.get_workflow_handle(callback.workflow_id).cancel()

        async def has_noticed() -> bool:
            shown = await callback.show()
            return shown.cancel_requested_at is not None or shown.expired_at is not None

        await _until(has_noticed, "the gateway has noticed the cancellation")

    async def _unpause(self, callback: OpenCallback) -> None:
        # The answer may have ended the activity, or the workflow.
        with suppress(RPCError):
            await self._service.unpause_activity(UnpauseActivityRequest(**self._named(callback)))

    async def _time_out_attempt(self, callback: OpenCallback) -> None:
        before = await self._pending(callback)
        assert before is not None, "the activity waits"
        timeout = before.activity_options.start_to_close_timeout.ToTimedelta()
        await self._update(callback, start_to_close=_SOON)

        async def has_backed_off() -> bool:
            found = await self._pending(callback)
            state = PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
            return found is None or found.state == state

        await _until(has_backed_off, "the attempt has timed out")
        if await self._pending(callback) is None:
            msg = "no attempt follows: the activity needs a retry policy that allows another one"
            raise AssertionError(msg)
        # Otherwise the next attempt would time out, too.
        await self._update(callback, start_to_close=timeout)

    async def _reset_workflow(self, callback: OpenCallback) -> None:
        handle = self._client.get_workflow_handle(callback.workflow_id)
        run_id = (await callback.show()).run_id
        # A workflow task after the activity was scheduled, to reset to.
        await handle.signal("ringback.testing: a step")

        async def steps() -> list[int]:
            return [
                event.event_id
                async for event in handle.fetch_history_events()
                if event.HasField("workflow_task_completed_event_attributes")
            ]

        async def has_stepped() -> bool:
            return len(await steps()) > 1

        await _until(has_stepped, "the workflow has had a task")
        await self._service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=self._client.namespace,
                workflow_execution=WorkflowExecution(
                    workflow_id=callback.workflow_id, run_id=run_id
                ),
                workflow_task_finish_event_id=(await steps())[-1],
                request_id=str(uuid4()),
                reason="a test",
                identity=_BY,
            )
        )

        async def has_noticed() -> bool:
            shown = await callback.show()
            return shown.run_id != run_id or shown.expired_at is not None

        await _until(has_noticed, "the gateway has noticed the reset")

    async def _pending(self, callback: OpenCallback) -> PendingActivityInfo | None:
        handle = self._client.get_workflow_handle(callback.workflow_id)
        described = (await handle.describe()).raw_description.pending_activities
        return next((one for one in described if one.activity_id == callback.activity_id), None)

    async def _update(self, callback: OpenCallback, **timeouts: timedelta) -> None:
        options = ActivityOptions()
        for name, value in timeouts.items():
            getattr(options, f"{name}_timeout").FromTimedelta(value)
        await self._service.update_activity_options(
            UpdateActivityOptionsRequest(
                activity_options=options,
                update_mask=FieldMask(paths=[f"{name}_timeout" for name in timeouts]),
                **self._named(callback),
            )
        )

    def _named(self, callback: OpenCallback) -> dict[str, Any]:
        return {
            "namespace": self._client.namespace,
            "execution": WorkflowExecution(workflow_id=callback.workflow_id),
            "id": callback.activity_id,
            "identity": _BY,
        }


async def _until(is_so: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait until something has happened.

    Raises:
        AssertionError: It has not happened in time.
    """
    try:
        async with asyncio.timeout(_PATIENCE.total_seconds()):
            while not await is_so():  # noqa: ASYNC110 - Temporal has no event for it
                await asyncio.sleep(_LOOK_EVERY)
    except TimeoutError:
        msg = f"waited {_PATIENCE.total_seconds():g} s in vain until {what}"
        raise AssertionError(msg) from None


@dataclass(frozen=True)
class FakeOperator:
    """Does to the activities of a test what happens in Temporal.

    Attributes:
        activities: The activities.
        find: Returns what runs the activity of a callback.
        notice: Lets the gateway notice what has happened.
    """

    activities: KitActivities
    find: Callable[[OpenCallback], ActivityRun[Any]]
    notice: Callable[[timedelta], Awaitable[None]]

    @asynccontextmanager
    async def at(self, moment: Moment, callback: OpenCallback) -> AsyncIterator[None]:
        """Bring about a moment for the block."""
        if moment == "now":
            yield
            return
        run = self.find(callback)
        match moment:
            case "between attempts":
                run.may_start = False
                self.activities.time_out_attempt(run.ref)
            case "while paused":
                self.activities.pause(run.ref)
            case "after a reset":
                self.activities.reset(run.ref)
            case "after a workflow reset":
                await self._reset_workflow(run)
            case _:
                assert_never(moment)
        await self.notice(_NOTICED)
        try:
            yield
        finally:
            if moment == "while paused":
                self.activities.unpause(run.ref)
            run.let_start()

    async def _reset_workflow(self, run: ActivityRun[Any]) -> None:
        run.may_start = False
        run.ref = self.activities.move(run.ref)
        # Until the gateway notices, the old callback has its aliases.
        await self.notice(_NOTICED)
        run.let_start()

    async def time_out(self, callback: OpenCallback) -> None:
        """Let the activity time out for good."""
        self.activities.end(self.find(callback).ref, how="timed out")
        await self.notice(_NOTICED)

    async def cancel(self, callback: OpenCallback) -> None:
        """Ask the activity to cancel."""
        self.activities.request_cancel(self.find(callback).ref)
        await self.notice(_NOTICED)


_NOTICED = timedelta(seconds=6)
"""A gateway polls every open callback more often than this."""
