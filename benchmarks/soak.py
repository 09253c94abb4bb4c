"""A soak: an hour of round trips at half load, and what the gateway holds meanwhile.

Run `python -m benchmarks.soak`; it is no part of a whole run of the benchmarks. Each workflow has
ten activities, which open a callback and are answered half a second later; then it ends.
"""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Annotated, Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import psutil
import typer
from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from benchmarks.openers import plugin_at, worker_key
from benchmarks.programs import Program
from benchmarks.questions import Keys, gateway
from benchmarks.temporals import dev_server
from ringback import Callback, wait_for_callback
from ringback.app.bootstrap import working
from ringback.app.exits import run_command
from ringback.app.program import run
from ringback.core.services import task_group

_ACTIVITIES: Final = 10
_AT_ONCE: Final = 16
_QUEUE: Final = "soak"
_FULL_SECONDS: Final = 30
_SAMPLE_SECONDS: Final = 5
_ANSWER_AFTER_SECONDS: Final = 0.5
_SLOTS: Final = 1000
_FIFTH: Final = 5
_FLAT: Final = 1.05
_GREW: Final = 1


@dataclass(frozen=True, slots=True)
class Sample:
    """What the gateway held at a moment.

    Attributes:
        memory: Its resident set, in MB.
        descriptors: Its open file descriptors.
    """

    memory: float
    descriptors: int


@workflow.defn
class SoakWorkflow:
    """Waits for the answers to its activities."""

    @workflow.run
    async def run(self) -> None:
        """End when all are answered."""
        asked = (
            workflow.execute_activity("soak", start_to_close_timeout=timedelta(minutes=5))
            for _ in range(_ACTIVITIES)
        )
        await asyncio.gather(*asked)


class Driver:
    """Starts workflows and answers their activities."""

    def __init__(self, client: Client, http: httpx2.AsyncClient, group: asyncio.TaskGroup) -> None:
        """Answer with `http`, in tasks of `group`."""
        self._client = client
        self._http = http
        self._group = group
        self.round_trips = 0

    @activity.defn(name="soak")
    async def wait(self) -> str:
        """Open a callback, and wait for its answer."""
        return await wait_for_callback(self._submit, str)

    async def _submit(self, callback: Callback) -> None:
        self._group.create_task(self._answer(urlsplit(callback.url).path), name="answer")

    async def _answer(self, path: str) -> None:
        await asyncio.sleep(_ANSWER_AFTER_SECONDS)
        (await self._http.post(path, json="r-81")).raise_for_status()

    async def drive(self, seconds: float, *, per_second: float | None = None) -> float:
        """Run workflows for a while, at most `per_second` round trips; return their real rate."""
        began, started = time.monotonic(), 0

        async def one_after_the_other() -> None:
            nonlocal started
            while (passed := time.monotonic() - began) < seconds:
                if per_second is not None and started * _ACTIVITIES > passed * per_second:
                    await asyncio.sleep(_ACTIVITIES / per_second)
                    continue
                started += 1
                await self._client.execute_workflow(
                    SoakWorkflow.run, id=f"soak-{uuid4()}", task_queue=_QUEUE
                )
                self.round_trips += _ACTIVITIES

        before = self.round_trips
        async with task_group() as group:
            for _ in range(_AT_ONCE):
                group.create_task(one_after_the_other(), name="workflows")
        return (self.round_trips - before) / (time.monotonic() - began)


@asynccontextmanager
async def _driving(folder: Path) -> AsyncIterator[tuple[Program, Driver]]:
    """Run all of it for the block; yield the gateway's program and what drives it."""
    store_url = f"sqlite:///{folder / 'ringback.db'}"
    async with (
        dev_server(folder) as (_, address),
        gateway(store_url, Keys(folder), temporal=address, folder=folder) as (program, url),
        httpx2.AsyncClient(base_url=url, timeout=30) as http,
        task_group() as group,
    ):
        plugin = plugin_at(url, await worker_key(store_url))
        client = await Client.connect(address, plugins=[plugin])
        driver = Driver(client, http, group)
        worker = Worker(
            client,
            task_queue=_QUEUE,
            workflows=[SoakWorkflow],
            activities=[driver.wait],
            workflow_runner=UnsandboxedWorkflowRunner(),
            max_concurrent_activities=_SLOTS,
        )
        async with working(worker):
            yield program, driver


async def _sample(program: Program, samples: list[Sample]) -> None:
    seen = psutil.Process(program.pid)
    while True:
        samples.append(Sample(program.memory(), seen.num_fds()))
        await asyncio.sleep(_SAMPLE_SECONDS)


async def _soak(minutes: float) -> bool:
    """Print the figures; return whether memory and descriptors stayed flat."""
    samples: list[Sample] = []
    with tempfile.TemporaryDirectory(prefix="ringback-soak-") as name:
        async with _driving(Path(name)) as (program, driver):
            full = await driver.drive(_FULL_SECONDS)
            async with task_group() as group:
                sampling = group.create_task(_sample(program, samples), name="samples")
                rate = await driver.drive(60 * minutes, per_second=full / 2)
                sampling.cancel()
    typer.echo(
        f"{driver.round_trips} round trips; {full:.0f} per second at full load, then {rate:.0f}"
    )
    memory = _compare("memory", "MB", [one.memory for one in samples])
    descriptors = _compare("file descriptors", "", [float(one.descriptors) for one in samples])
    return max(memory, descriptors) <= _FLAT


def _compare(what: str, unit: str, values: Sequence[float]) -> float:
    """Print and return the last fifth of `values` divided by the second one: caches are full."""
    size = max(len(values) // _FIFTH, 1)
    early, late = median(values[size : 2 * size] or values), median(values[-size:])
    typer.echo(f"{what}: {early:.1f} {unit} in the second fifth, {late:.1f} {unit} in the last")
    return late / early


def main(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long half load lasts.")] = 60,
) -> None:
    """Check that memory and file descriptors of a gateway stay flat within 5 % at half load.

    Raises:
        Exit: They grew.
    """
    if not run(_soak(minutes)):
        raise typer.Exit(_GREW)


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    run_command(app)
