"""The plugin connects a worker, and importing the package in workflow files stays fast."""

import asyncio
import logging
import multiprocessing
import subprocess
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ProcessPoolExecutor
from typing import TypeAlias

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import SharedStateManager, Worker

from ringback import (
    NotWiredError,
    RingbackPlugin,
    wait_for_callback,
)
from ringback.app.bootstrap import working
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.domain.errors import (
    ConfigurationError,
    GatewayRefusedError,
    GatewayUnavailableError,
)
from ringback.settings import Settings
from tests.integration import process_pool_activities, workflow_with_activity
from tests.integration.conftest import OpenEnv
from tests.integration.env import FakeService, gateway, plugin_for
from tests.integration.workflows import Run, RunActivity

StartWorker: TypeAlias = Callable[..., Awaitable[None]]

HEAVY = ["sqlalchemy", "alembic", "pydantic", "pydantic_settings", "fastapi", "starlette", "typer"]


def modules_after(code: str) -> set[str]:
    """Return what a new interpreter has loaded once it has run `code`."""
    listing = f"{code}\nimport sys; print('\\n'.join(sys.modules))"
    ran = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", listing], capture_output=True, text=True, check=True
    )
    return set(ran.stdout.split())


def test_importing_ringback_loads_nothing_else() -> None:
    loaded = modules_after("import ringback")

    assert not {name for name in loaded if name.startswith(("temporalio", *HEAVY))}


def test_all_that_a_workflow_file_imports_is_light() -> None:
    loaded = modules_after("from ringback import Callback, RingbackPlugin, wait_for_callback")
    of_the_sdk = modules_after("import temporalio.worker, temporalio.plugin")

    assert not loaded.intersection(HEAVY) - of_the_sdk


def test_unknown_name_of_ringback_raises_attribute_error() -> None:
    with pytest.raises(ImportError, match="wait_for_godot"):
        exec("from ringback import wait_for_godot")  # noqa: S102 - a constant


@pytest.mark.server
async def test_a_workflow_file_that_imports_ringback_loads_in_the_sandbox_without_the_plugin(
    client: Client, unique: str
) -> None:
    async with Worker(client, task_queue=unique, workflows=[workflow_with_activity.Greet]):
        result = await client.execute_workflow(
            workflow_with_activity.Greet.run, id=unique, task_queue=unique
        )

    assert result == "hello"


async def run_worker(worker: Worker) -> None:
    await worker.run()


async def enter_worker(worker: Worker) -> None:
    async with worker:
        await asyncio.Event().wait()


@pytest.fixture(params=[run_worker, enter_worker], ids=["run", "async with"])
def start_worker(request: pytest.FixtureRequest) -> StartWorker:
    """Start a worker in each of the SDK's two ways; a plugin that is wrong ends it at once."""

    async def start(
        address: str, queue: str, plugin: RingbackPlugin, *, namespace: str = "default"
    ) -> None:
        client = await Client.connect(address, namespace=namespace, plugins=[plugin])
        async with asyncio.timeout(20):
            await request.param(Worker(client, task_queue=queue, workflows=[RunActivity]))

    return start


@pytest.mark.server
async def test_worker_without_a_gateway_fails_at_start_with_its_url(
    start_worker: StartWorker, temporal_address: str, unique: str
) -> None:
    plugin = RingbackPlugin(url="http://127.0.0.1:1", api_key="rbk_k1_secret")

    with pytest.raises(GatewayUnavailableError, match=r"http://127.0.0.1:1 cannot be reached"):
        await start_worker(temporal_address, unique, plugin)


@pytest.mark.server
async def test_worker_with_an_unknown_key_fails_at_start(
    start_worker: StartWorker, temporal_address: str, settings: Settings, unique: str
) -> None:
    async with gateway(temporal_address, settings):
        plugin = RingbackPlugin(url=settings.base_url, api_key="rbk_k1_secret")

        with pytest.raises(GatewayRefusedError, match="rejects the API key of api_key"):
            await start_worker(temporal_address, unique, plugin)


@pytest.mark.server
async def test_worker_with_the_key_of_an_operator_fails_at_start(
    start_worker: StartWorker, temporal_address: str, settings: Settings, unique: str
) -> None:
    async with gateway(temporal_address, settings):
        key = local_key_path(settings.data, Role.OPERATOR).read_text().strip()
        plugin = RingbackPlugin(url=settings.base_url, api_key=key)

        with pytest.raises(ConfigurationError, match="ringback keys add --role worker"):
            await start_worker(temporal_address, unique, plugin)


@pytest.mark.server
async def test_worker_of_another_namespace_than_its_gateway_fails_at_start(
    start_worker: StartWorker, settings: Settings, unique: str, temporal_address: str
) -> None:
    async with gateway(temporal_address, settings, namespace="another"):
        with pytest.raises(ConfigurationError, match=r"'default'.* serves 'another'"):
            await start_worker(temporal_address, unique, plugin_for(settings))


@pytest.mark.server
async def test_worker_logs_its_gateway_without_the_key(
    open_env: OpenEnv, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    @activity.defn
    async def nothing() -> None:
        """Do nothing."""

    with caplog.at_level(logging.INFO, "ringback.worker"):
        async with open_env(nothing):
            pass

    (line,) = [one.getMessage() for one in caplog.records if one.name.startswith("ringback.worker")]
    assert settings.base_url in line
    assert "namespace default" in line
    assert local_key_path(settings.data, Role.WORKER).read_text().strip() not in caplog.text


@pytest.mark.server
async def test_activity_without_the_plugin_fails_with_what_to_do(
    client: Client, unique: str, service: FakeService
) -> None:
    told: list[str] = []

    @activity.defn
    async def ask() -> None:
        try:
            await wait_for_callback(service.submit, str)
        except NotWiredError as exc:
            told.append(str(exc))

    async with Worker(client, task_queue=unique, workflows=[RunActivity], activities=[ask]):
        await client.execute_workflow(RunActivity.run, Run("ask"), id=unique, task_queue=unique)

    assert "plugins=[RingbackPlugin()]" in told[0]


@pytest.mark.server
@pytest.mark.parametrize("start_method", ["fork", "spawn", "forkserver"])
@pytest.mark.parametrize("name", ["wait", "open_one"])
async def test_wait_in_a_process_pool_raises_the_same_error_however_it_was_started(
    temporal_address: str, settings: Settings, unique: str, *, start_method: str, name: str
) -> None:
    """A forked process inherits the runtime of its worker, but not the loop that serves it."""
    processes = multiprocessing.get_context(start_method)
    with ProcessPoolExecutor(1, mp_context=processes) as pool, processes.Manager() as manager:
        async with gateway(temporal_address, settings):
            client = await Client.connect(temporal_address, plugins=[plugin_for(settings)])
            worker = Worker(
                client,
                task_queue=unique,
                workflows=[RunActivity],
                activities=[getattr(process_pool_activities, name)],
                activity_executor=pool,
                shared_state_manager=SharedStateManager.create_from_multiprocessing(manager),
            )
            async with working(worker):
                said = await client.execute_workflow(
                    RunActivity.run, Run(name, start_to_close=10), id=unique, task_queue=unique
                )

    assert "not in a process pool" in said


@pytest.mark.server
async def test_two_workers_of_one_client_each_have_a_gateway_client(
    open_env: OpenEnv, service: FakeService
) -> None:
    """One that stops takes nothing from the other."""

    @activity.defn
    async def ask() -> str:
        return await wait_for_callback(service.submit, str)

    async with open_env(ask) as env:
        other = Worker(env.client, task_queue=f"{env.task_queue}-other", activities=[ask])
        async with other:
            pass
        handle = await env.start(Run("ask"))

        await env.answer(await service.next(), "still here")

        assert await handle.result() == "still here"
