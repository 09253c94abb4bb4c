"""Real activities on a real Temporal, all of them waiting for an answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from typing import Final, TypeVar
from uuid import uuid4

from temporalio import activity
from temporalio.client import Client
from temporalio.plugin import SimplePlugin
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.waiting_workflow import ANSWERED, ASK, Place, WaitingWorkflow
from benchmarks.wrk import DriveError
from ringback.app.bootstrap import working

PER_WORKFLOW: Final = 10
"""How many wait in one workflow: with one alone, making them would take most of a run's time."""

_STARTERS: Final = 32
_POLLS: Final = 20
_SLOTS: Final = 1000
_LOOK_EVERY_SECONDS: Final = 0.02
_PATIENCE_SECONDS: Final = 120


class Askers:
    """A worker whose activities all wait."""

    def __init__(self, client: Client, queue: str) -> None:
        """Start workflows on `queue`."""
        self._waiting: list[activity.Info] = []
        self._failures: list[Exception] = []
        self._client = client
        self._queue = queue

    async def suspend(
        self,
        count: int,
        *,
        per_workflow: int = PER_WORKFLOW,
        heartbeat_timeout: timedelta | None = None,
    ) -> Sequence[activity.Info]:
        """Let `count` more activities wait, each with its own token; return what they know.

        Raises:
            DriveError: An activity failed instead.
        """
        before = len(self._waiting)
        sizes = iter(_sizes(count, per_workflow))
        within = None if heartbeat_timeout is None else heartbeat_timeout.total_seconds()

        async def start() -> None:
            for size in sizes:
                await self._client.start_workflow(
                    WaitingWorkflow.run,
                    args=[size, within],
                    id=f"bench-{uuid4()}",
                    task_queue=self._queue,
                )

        async with asyncio.TaskGroup() as group:
            for _ in range(_STARTERS):
                group.create_task(start())
        while len(self._waiting) < before + count:  # noqa: ASYNC110 - a benchmark waits
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
        if self._failures:
            msg = f"an activity failed instead of waiting: {self._failures[0]}"
            raise DriveError(msg) from self._failures[0]
        return self._waiting[before:]

    @activity.defn(name=ASK)
    async def ask(self) -> None:
        """Record the attempt, and wait for an answer."""
        self._waiting.append(activity.info())
        activity.raise_complete_async()


A = TypeVar("A", bound=Askers)


def _sizes(count: int, per_workflow: int) -> list[int]:
    """Return how many activities each workflow gets."""
    whole, rest = divmod(count, per_workflow)
    return [per_workflow] * whole + [rest] * bool(rest)


def place_of(info: activity.Info) -> Place:
    """Return where the answer to the activity `info` arrives."""
    assert info.workflow_id is not None, "a workflow started it"
    return info.workflow_id, info.activity_id


async def answered(waiting: Iterable[activity.Info]) -> list[float]:
    """Return when each answer was there in its workflow, once all are there, first one first.

    Raises:
        DriveError: Some did not come.
    """
    places = [place_of(info) for info in waiting]
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while not all(place in ANSWERED for place in places):  # noqa: ASYNC110 - as above
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
    except TimeoutError as exc:
        missing = sum(place not in ANSWERED for place in places)
        msg = f"{missing} of {len(places)} answers did not come in {_PATIENCE_SECONDS} s"
        raise DriveError(msg) from exc
    return sorted(ANSWERED[place] for place in places)


def answered_so_far(waiting: Iterable[activity.Info]) -> int:
    """Return how many of them have their answer in their workflow."""
    return sum(place_of(info) in ANSWERED for info in waiting)


def asking(address: str) -> AbstractAsyncContextManager[Askers]:
    """Run a worker for the block."""
    return asking_by(address, Askers)


@asynccontextmanager
async def asking_by(
    address: str, make: Callable[[Client, str], A], *, plugins: Sequence[SimplePlugin] = ()
) -> AsyncIterator[A]:
    """Run a worker with the activity of what `make` returns, for the block."""
    client = await Client.connect(address, plugins=list(plugins))
    askers = make(client, queue := f"bench-{uuid4()}")
    worker = Worker(
        client,
        task_queue=queue,
        workflows=[WaitingWorkflow],
        activities=[askers.ask],
        workflow_runner=UnsandboxedWorkflowRunner(),
        max_concurrent_activities=_SLOTS,
        max_concurrent_activity_task_polls=_POLLS,
        max_concurrent_workflow_task_polls=_POLLS,
    )
    async with working(worker):
        yield askers
