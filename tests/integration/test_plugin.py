"""The plugin wires a worker, and the package stays light where workflows are."""

import multiprocessing
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import SharedStateManager, Worker

from ringback import (
    NotWiredError,
    RingbackPlugin,
    StoreUnavailableError,
    wait_for_callback,
)
from ringback.app.workers import working
from ringback.settings import Settings
from tests.integration import in_a_process
from tests.integration import workflow_beside_its_activity as beside
from tests.integration.conftest import OpenHouse
from tests.integration.house import Outside
from tests.integration.workflows import Run, RunActivity

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


def test_a_name_that_ringback_does_not_have_is_told_so() -> None:
    with pytest.raises(ImportError, match="wait_for_godot"):
        exec("from ringback import wait_for_godot")  # noqa: S102 - a constant


@pytest.mark.server
async def test_a_workflow_file_that_imports_ringback_loads_in_the_sandbox_without_the_plugin(
    client: Client, unique: str
) -> None:
    async with Worker(client, task_queue=unique, workflows=[beside.Greet]):
        result = await client.execute_workflow(beside.Greet.run, id=unique, task_queue=unique)

    assert result == "hello"


@pytest.mark.server
async def test_a_worker_without_a_store_does_not_start(temporal_address: str, unique: str) -> None:
    settings = Settings(data=Path("/proc/nowhere"))
    client = await Client.connect(temporal_address, plugins=[RingbackPlugin(settings)])
    worker = Worker(client, task_queue=unique, workflows=[RunActivity])

    with pytest.raises(StoreUnavailableError, match="/proc/nowhere"):
        await worker.run()


@pytest.mark.server
async def test_an_activity_of_a_worker_without_the_plugin_is_told_what_to_do(
    client: Client, unique: str, outside: Outside
) -> None:
    told: list[str] = []

    @activity.defn
    async def ask() -> None:
        try:
            await wait_for_callback(outside.submit, str)
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
    client = await Client.connect(temporal_address, plugins=[RingbackPlugin(settings)])
    processes = multiprocessing.get_context(start_method)
    with ProcessPoolExecutor(1, mp_context=processes) as pool, processes.Manager() as manager:
        worker = Worker(
            client,
            task_queue=unique,
            workflows=[RunActivity],
            activities=[getattr(in_a_process, name)],
            activity_executor=pool,
            shared_state_manager=SharedStateManager.create_from_multiprocessing(manager),
        )
        async with working(worker):
            said = await client.execute_workflow(
                RunActivity.run, Run(name, start_to_close=10), id=unique, task_queue=unique
            )

    assert "not in a process pool" in said


@pytest.mark.server
async def test_two_workers_of_one_client_each_have_their_own_store(
    open_house: OpenHouse, outside: Outside
) -> None:
    """One that stops takes nothing from the other."""

    @activity.defn
    async def ask() -> str:
        return await wait_for_callback(outside.submit, str)

    async with open_house(ask) as house:
        other = Worker(house.client, task_queue=f"{house.task_queue}-other", activities=[ask])
        async with other:
            pass
        handle = await house.start(Run("ask"))

        await house.answer(await outside.next(), "still here")

        assert await handle.result() == "still here"
