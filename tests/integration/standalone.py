"""A worker whose standalone activity waits, and the edge that looks at it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

from temporalio import activity
from temporalio.api.workflowservice.v1 import ResetActivityExecutionRequest
from temporalio.client import ActivityHandle, Client
from temporalio.common import RetryPolicy
from temporalio.worker import Worker

from ringback.core.verdicts import judge
from ringback.domain.activity_state import ActivityState, Ended
from ringback.domain.callback import Accepted, ActivityExecution, Callback, State
from ringback.domain.errors import ActivityGoneError, RetryableError
from ringback.domain.ids import OutcomeId, to_identity
from ringback.domain.outcome import Outcome
from ringback.temporal.activities import TemporalActivities
from ringback.temporal.heartbeats import TemporalHeartbeats
from ringback.worker.runtime import to_ref
from tests import factories
from tests.polling import pause

OUTCOME_ID = OutcomeId("oc_1")
OURS = to_identity(OUTCOME_ID)


@dataclass
class Attempt:
    """An attempt that waits; it ends as its input says after it was released."""

    info: activity.Info
    callback: Callback
    end: asyncio.Future[Any]


@dataclass
class Env:
    """The server, a worker on it, and the edge that is looked at."""

    client: Client
    activities: TemporalActivities
    heartbeats: TemporalHeartbeats
    task_queue: str
    attempts: asyncio.Queue[Attempt]

    async def ask(self, *, back_off: float = 60, **options: Any) -> "Question":
        """Start an activity; return it once it waits."""
        options.setdefault("start_to_close_timeout", timedelta(seconds=60))
        handle: ActivityHandle[Any] = await self.client.start_activity(
            "ask",
            id=options.pop("id", f"test-{uuid4()}"),
            task_queue=self.task_queue,
            retry_policy=RetryPolicy(
                initial_interval=timedelta(seconds=back_off),
                maximum_attempts=options.pop("attempts", 0),
            ),
            **options,
        )
        return Question(self, handle, await self.next())

    async def next(self) -> Attempt:
        """Return the next attempt, once it waits."""
        async with asyncio.timeout(15):
            return await self.attempts.get()


@dataclass
class Question:
    """A standalone activity that waits, and its first attempt."""

    env: Env
    handle: ActivityHandle[Any]
    first: Attempt

    @property
    def ref(self) -> ActivityExecution:
        """The activity."""
        return self.first.callback.ref

    async def answer(
        self, outcome: Outcome, *, by: str = OURS, attempt: Attempt | None = None
    ) -> None:
        """Deliver an outcome to an attempt, as if its reply were lost.

        Like the gateway, it retries what Temporal could not take at that moment; the first try may
        have counted all the same.
        """
        activities, callback = self.env.activities, (attempt or self.first).callback
        encoded = await activities.encode(callback, outcome)
        try:
            await activities.deliver_to_attempt(callback, encoded, identity=by)
        except RetryableError:
            with suppress(ActivityGoneError):
                await activities.deliver_to_attempt(callback, encoded, identity=by)

    async def reset(self) -> None:
        """Reset the activity, as an operator."""
        await self.env.client.workflow_service.reset_activity_execution(
            ResetActivityExecutionRequest(
                namespace=self.ref.namespace,
                activity_id=self.ref.activity_id,
                run_id=self.ref.run_id,
            )
        )

    async def found(self) -> ActivityState:
        """Return what the edge finds."""
        return await self.env.activities.resolve(self.ref)

    async def until_ended(self) -> Ended:
        """Return how it ended, once it has."""
        async with asyncio.timeout(15):
            while True:
                found = await self.found()
                if isinstance(found, Ended):
                    return found
                await pause()

    async def verdict(self, outcome: Outcome) -> State | None:
        """Return what is judged of an outcome that was tried on the first attempt before."""
        tried = Accepted(
            OUTCOME_ID,
            outcome,
            factories.NOW,
            tries=2,
            unconfirmed_attempt=1,
            unconfirmed_started_at=self.first.info.started_time,
        )
        settlement = judge(self.first.callback, tried, await self.found())
        return None if settlement is None else settlement.verdict


@asynccontextmanager
async def opened(client: Client, unique: str) -> AsyncIterator[Env]:
    """Run a worker whose activity waits, for the block."""
    activities, heartbeats = TemporalActivities(client), TemporalHeartbeats(client)
    env = Env(client, activities, heartbeats, unique, asyncio.Queue())

    @activity.defn(name="ask")
    async def ask() -> Any:
        info = activity.info()
        request = factories.request(
            ref=to_ref(info),
            attempt=info.attempt,
            attempt_started_at=info.started_time,
            task_token=info.task_token,
        )
        callback = await factories.opened(request)
        attempt = Attempt(info, callback, asyncio.get_running_loop().create_future())
        env.attempts.put_nowait(attempt)
        return await attempt.end

    async with Worker(client, task_queue=unique, activities=[ask]):
        yield env
