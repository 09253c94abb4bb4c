"""However many callbacks are open, Temporal is asked no more than it may be: counted there."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from ringback import RingbackPlugin, wait_for_callback
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.domain.callback import State
from ringback.ports.store import CallbackQuery
from ringback.settings import Settings
from ringback.worker.callback import Callback
from tests.acceptance.parallel_activities import RunInParallel
from tests.acceptance.programs import free_port, temporal_server
from tests.integration.env import gateway, path_of, plugin_for, settings_in
from tests.polling import pause

pytestmark = [
    pytest.mark.server,
    pytest.mark.processes,
    pytest.mark.timeout(90),
    pytest.mark.thorough,
]

HEARTBEAT_TIMEOUT = timedelta(seconds=8)
GAP_SECONDS = HEARTBEAT_TIMEOUT.total_seconds() / 2
PER_SECOND = 20

_COUNT = re.compile(
    r'^service_requests\{[^}]*operation="(\w+)"[^}]*service_name="frontend"[^}]*\} (\S+)', re.M
)


class Server:
    """A Temporal server that tells how often it was called."""

    def __init__(self, address: str, metrics: str) -> None:
        self.address = address
        self._metrics = metrics

    async def calls(self, operation: str) -> int:
        """Return how often it was called for `operation`, which is called once at least."""
        async with httpx2.AsyncClient(verify=False) as http:
            told = (await http.get(self._metrics)).text
        counts = [float(count) for name, count in _COUNT.findall(told) if name == operation]
        return round(sum(counts))


@pytest.fixture
async def server(tmp_path: Path, own_server: None) -> AsyncIterator[Server]:  # noqa: ARG001 - needed
    address = f"127.0.0.1:{free_port()}"
    metrics_port = free_port()
    options = ("--metrics-port", str(metrics_port))
    async with temporal_server(address, tmp_path / "temporal.db", *options):
        yield Server(address, f"http://127.0.0.1:{metrics_port}/metrics")


class Crowd:
    """What is given out to the outside by many activities."""

    def __init__(self) -> None:
        self.given: list[Callback] = []
        self._coming: asyncio.Queue[Callback] = asyncio.Queue()

    async def submit(self, callback: Callback) -> None:
        await self._coming.put(callback)

    async def take(self, count: int) -> None:
        """Return when this number of further ones was submitted."""
        self.given += [await self._coming.get() for _ in range(count)]

    @activity.defn
    async def keep(self) -> Any:
        return await wait_for_callback(self.submit, object, heartbeat="gateway")

    @activity.defn
    async def ask(self) -> Any:
        return await wait_for_callback(self.submit, object)


@pytest.fixture
def crowd() -> Crowd:
    return Crowd()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path, polls_per_second=PER_SECOND)


@pytest.fixture
async def http(server: Server, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with gateway(server.address, settings) as http:
        yield http


@pytest.fixture
def plugin(http: httpx2.AsyncClient, settings: Settings) -> RingbackPlugin:
    assert http.base_url == settings.base_url
    return plugin_for(settings)


@pytest.fixture
async def client(server: Server, plugin: RingbackPlugin, crowd: Crowd) -> AsyncIterator[Client]:
    """A client whose worker runs the activities of the crowd."""
    client = await Client.connect(server.address, plugins=[plugin])
    activities = [crowd.keep, crowd.ask]
    async with Worker(client, task_queue="many", workflows=[RunInParallel], activities=activities):
        yield client


async def start(client: Client, crowd: Crowd, *args: Any, workflows: int) -> list[Any]:
    """Start workflows; return them once all their activities wait."""
    handles: list[WorkflowHandle[Any, Any]] = [
        await client.start_workflow(RunInParallel.run, args=args, id=f"w-{n}", task_queue="many")
        for n in range(workflows)
    ]

    await crowd.take(workflows * args[1])
    return handles


async def seconds_until(condition: Any) -> float:
    """Return how long it took until the condition held."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    while not await condition():
        await pause()
    return loop.time() - began


async def test_heartbeats_reach_temporal_at_most_twice_per_timeout(
    server: Server, http: httpx2.AsyncClient, client: Client, crowd: Crowd
) -> None:
    handles = await start(
        client, crowd, "keep", 10, HEARTBEAT_TIMEOUT.total_seconds(), workflows=10
    )
    sent = 0

    async def has_lived_long() -> bool:
        nonlocal sent
        some = crowd.given[sent % 100 : sent % 100 + 50]
        posts = (http.post(f"{path_of(one)}/heartbeat", json=sent) for one in some)
        assert {reply.status_code for reply in await asyncio.gather(*posts)} == {200}
        sent += len(some)
        return asyncio.get_running_loop().time() - began > 3 * GAP_SECONDS

    before = await server.calls("RecordActivityTaskHeartbeat")
    described = await server.calls("DescribeWorkflowExecution")
    began = asyncio.get_running_loop().time()
    lasted = await seconds_until(has_lived_long)
    beats = await server.calls("RecordActivityTaskHeartbeat") - before
    describes = await server.calls("DescribeWorkflowExecution") - described

    pending = [
        one
        for handle in handles
        for one in (await handle.describe()).raw_description.pending_activities
    ]
    assert sent > 2 * beats
    assert beats <= 100 * (lasted / GAP_SECONDS + 1)
    # One for each attempt at most, to learn whether it has recorded something itself.
    assert describes <= 100 + PER_SECOND * (lasted + 1)
    assert [one.attempt for one in pending] == [1] * 100


async def test_polls_stay_within_the_budget_and_two_per_run(
    server: Server, settings: Settings, client: Client, crowd: Crowd
) -> None:
    async with opened_store(settings, SystemClock()) as store:
        handles = await start(client, crowd, "ask", 10, 0.0, workflows=60)
        for handle in handles:
            await handle.terminate()
        before = await server.calls("DescribeWorkflowExecution")

        async def is_known() -> bool:
            return not await store.page(CallbackQuery(frozenset({State.OPEN})), after=None, limit=1)

        lasted = await seconds_until(is_known)
        looks = await server.calls("DescribeWorkflowExecution") - before

        # One shows that its activities wait no more, and one more how all of them ended.
        assert 60 <= looks <= 2 * 60 + PER_SECOND * (lasted + 1)
        assert looks <= 2 * PER_SECOND * (lasted + 1)
