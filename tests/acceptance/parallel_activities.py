"""A workflow that runs one activity many times in parallel."""

import asyncio
from datetime import timedelta

from temporalio import workflow


@workflow.defn
class RunInParallel:
    """Runs an activity many times in parallel."""

    @workflow.run
    async def run(self, name: str, times: int, heartbeat_seconds: float) -> None:
        heartbeat = timedelta(seconds=heartbeat_seconds) if heartbeat_seconds else None
        await asyncio.gather(
            *(
                workflow.execute_activity(
                    name, start_to_close_timeout=timedelta(hours=1), heartbeat_timeout=heartbeat
                )
                for _ in range(times)
            )
        )
