"""A standalone activity that waits."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from temporalio.api.enums.v1 import ActivityExecutionStatus
from temporalio.api.workflowservice.v1 import (
    DescribeActivityExecutionRequest,
    DescribeActivityExecutionResponse,
)
from temporalio.client import ActivityHandle
from temporalio.common import RetryPolicy
from temporalio.service import RPCStatusCode

from tests.integration.facts.answers import Refusal
from tests.integration.facts.env import LIMIT_SECONDS, Attempt, Env, seconds, until


@dataclass(frozen=True)
class StandaloneActivity:
    """A standalone activity that waits."""

    handle: ActivityHandle[Any]
    attempt: Attempt
    attempts: asyncio.Queue[Attempt]

    @property
    def address(self) -> dict[str, Any]:
        """What names it in raw requests."""
        client = self.attempt.client
        run_id = self.attempt.info.activity_run_id
        return {"namespace": client.namespace, "activity_id": self.handle.id, "run_id": run_id}

    async def next(self) -> Attempt:
        """Return the next attempt, once it runs."""
        async with asyncio.timeout(LIMIT_SECONDS):
            return await self.attempts.get()

    async def describe(self) -> DescribeActivityExecutionResponse:
        """Return all that the server says about it."""
        return await self.attempt.client.workflow_service.describe_activity_execution(
            DescribeActivityExecutionRequest(
                include_outcome=True, include_last_failure=True, **self.address
            )
        )

    async def until_over(self) -> DescribeActivityExecutionResponse:
        """Return what the server says once it has ended."""
        return await until(
            self.describe,
            lambda seen: (
                seen.info.status != ActivityExecutionStatus.ACTIVITY_EXECUTION_STATUS_RUNNING
            ),
        )

    @property
    def gone(self) -> Refusal:
        """How the server refuses what it does not know, or no longer."""
        return Refusal(RPCStatusCode.NOT_FOUND, f"activity not found for ID: {self.handle.id}")


async def ask(env: Env, *, back_off: float = 60, **options: Any) -> StandaloneActivity:
    """Start a standalone activity; return it once it waits."""
    attempts = options.pop("maximum_attempts", 0)
    options.setdefault("start_to_close_timeout", seconds(60))
    handle: ActivityHandle[Any] = await env.client.start_activity(
        "ask",
        id=options.pop("id", f"test-{uuid4()}"),
        task_queue=env.task_queue,
        retry_policy=RetryPolicy(initial_interval=seconds(back_off), maximum_attempts=attempts),
        **options,
    )
    queue = env.attempts[handle.id]
    async with asyncio.timeout(LIMIT_SECONDS):
        return StandaloneActivity(handle, await queue.get(), queue)
