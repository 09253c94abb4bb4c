"""A workflow whose activities all wait at once, and that notes when each has its answer."""

import asyncio
import time
from collections.abc import MutableMapping
from datetime import timedelta
from typing import Final, TypeAlias

from temporalio import workflow

ASK: Final = "ask"

Place: TypeAlias = tuple[str, str]
"""A workflow's id, and the id of one of its activities."""

ANSWERED: Final[MutableMapping[Place, float]] = {}
"""When each answer was there in its workflow, on the clock of `time.perf_counter`.

The workflows run in this process and without a sandbox, so this sees what they do.
"""


@workflow.defn
class WaitingWorkflow:
    """Waits for its activities."""

    @workflow.run
    async def run(self, count: int, heartbeat_seconds: float | None = None) -> int:
        """Return how many answers it got."""
        within = None if heartbeat_seconds is None else timedelta(seconds=heartbeat_seconds)
        asked = (self._ask(str(number), within) for number in range(count))
        return len(await asyncio.gather(*asked))

    async def _ask(self, activity_id: str, heartbeat_timeout: timedelta | None) -> str:
        answer: str = await workflow.execute_activity(
            ASK,
            activity_id=activity_id,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=heartbeat_timeout,
            result_type=str,
        )
        ANSWERED.setdefault((workflow.info().workflow_id, activity_id), time.perf_counter())
        return answer
