"""The caller: starts the workflows, and ends some of them; it does not mind an outage."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.common import WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from chaos.script import TASK_QUEUE, Script
from chaos.workflow import Ask
from ringback.core.service import task_group

_TIMEOUT: Final = timedelta(seconds=3)
_AGAIN_SECONDS: Final = 0.3
_TASK_TIMEOUT: Final = timedelta(seconds=3)
"""How long a worker may take over a step of a workflow: those who were killed do not finish."""


class Caller:
    """Starts and ends workflows."""

    def __init__(self, client: Client) -> None:
        """Call through `client`, which knows nothing of Ringback."""
        self._client = client

    async def start(self, scripts: Sequence[Script], *, seconds: float) -> None:
        """Start a workflow for each script, spread evenly over `seconds`."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with task_group() as group:
            for number, script in enumerate(scripts):
                await asyncio.sleep(began + seconds * number / len(scripts) - loop.time())
                group.create_task(self._start(script))

    async def end(self, script: Script, how: str) -> None:
        """Ask a workflow to cancel, or terminate it."""
        handle = self._client.get_workflow_handle(script.workflow_id)
        end = handle.cancel if how == "cancel" else handle.terminate
        await _until_done(lambda: end(rpc_timeout=_TIMEOUT))

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
    """Make a request until it was taken, or has no object any more."""
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
