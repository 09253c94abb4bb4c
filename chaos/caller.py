"""The caller: starts the workflows, and ends some of them. It retries through outages."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from chaos.plan import End
from chaos.script import TASK_QUEUE, Script
from chaos.workflow import Ask
from ringback.core.services import task_group

_TIMEOUT: Final = timedelta(seconds=3)
_AGAIN_SECONDS: Final = 0.3
_FIRST: Final = "1"
"""The id that the SDK gives to the first activity of a workflow."""

_TASK_TIMEOUT: Final = timedelta(seconds=3)
"""Timeout of a workflow task: a killed worker does not finish its task."""


class Caller:
    """Starts and ends workflows."""

    def __init__(self, client: Client) -> None:
        """Use `client`, a plain client of Temporal."""
        self._client = client

    async def start(self, scripts: Sequence[Script], *, seconds: float) -> None:
        """Start a workflow for each script, spread evenly over `seconds`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with task_group() as group:
            for number, script in enumerate(scripts):
                await asyncio.sleep(began + seconds * number / len(scripts) - loop.time())
                group.create_task(self._start(script))

    async def end(self, script: Script, how: End) -> None:
        """Terminate or cancel a workflow, or end its first activity, without Ringback."""
        workflow = self._client.get_workflow_handle(script.workflow_id)
        activity = self._client.get_async_activity_handle(
            workflow_id=script.workflow_id, run_id=None, activity_id=_FIRST
        )
        refused = ApplicationError("somebody else said no", non_retryable=True)
        ends: Mapping[End, Callable[[], Awaitable[None]]] = {
            End.CANCEL: lambda: workflow.cancel(rpc_timeout=_TIMEOUT),
            End.TERMINATE: lambda: workflow.terminate(rpc_timeout=_TIMEOUT),
            End.COMPLETE: lambda: activity.complete({"by": "somebody"}, rpc_timeout=_TIMEOUT),
            End.FAIL: lambda: activity.fail(refused, rpc_timeout=_TIMEOUT),
        }
        await _until_done(ends[how])

    async def _start(self, script: Script) -> None:
        await _until_done(
            lambda: self._client.start_workflow(
                Ask.run,
                script,
                id=script.workflow_id,
                task_queue=TASK_QUEUE,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                task_timeout=_TASK_TIMEOUT,
                rpc_timeout=_TIMEOUT,
            )
        )


async def _until_done(request: Callable[[], Awaitable[object]]) -> None:
    """Retry a request until it succeeds or its object is gone."""
    while True:
        try:
            await request()
        except WorkflowAlreadyStartedError:
            return
        except RPCError as exc:
            if exc.status is RPCStatusCode.NOT_FOUND:
                return
            await asyncio.sleep(_AGAIN_SECONDS)
        else:
            return
