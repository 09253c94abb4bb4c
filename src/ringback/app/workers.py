"""Runs a worker beside something else."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from temporalio.worker import Worker

from ringback.core.services import task_group

_LOOK_EVERY_SECONDS: Final = 0.02


@asynccontextmanager
async def working(worker: Worker) -> AsyncIterator[None]:
    """Run `worker` for the block, which begins once it takes tasks; let it finish after it.

    Unlike the worker's own `async with`, what keeps it from starting comes out as it is.
    """
    async with task_group() as group:
        group.create_task(worker.run(), name="worker")
        while not worker.is_running:  # noqa: ASYNC110 - the SDK tells nobody when it starts
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        try:
            yield
        finally:
            await worker.shutdown()
