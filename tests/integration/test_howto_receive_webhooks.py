"""The page's program, source and request finish a workflow, whichever comes first."""

import asyncio
import importlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import httpx2
import pytest
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.settings import Settings
from tests.integration.env import gateway, plugin_for, settings_in
from tests.polling import pause

pytestmark = pytest.mark.server

Start = Callable[[], Awaitable[WorkflowHandle[Any, Any]]]

PAGE: Final = Path(__file__).parents[2] / "docs" / "howto" / "receive-webhooks.md"


def block_of(language: str) -> str:
    (block,) = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return str(block)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The Python of the page, as a module."""
    (tmp_path / "howto_receive_webhooks.py").write_text(block_of("python"))
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("howto_receive_webhooks")


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("STRIPE_WEBHOOK_SECRET", "whsec_try")
    path = tmp_path / "ringback.toml"
    path.write_text(block_of("toml"))
    return settings_in(tmp_path, sources_file=path)


@pytest.fixture
async def http(temporal_address: str, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a running gateway that has the page's source."""
    async with gateway(temporal_address, settings) as client:
        key = local_key_path(settings.data, Role.OPERATOR).read_text().strip()
        client.headers["Authorization"] = f"Bearer {key}"
        yield client


@pytest.fixture
async def start(
    page: ModuleType,
    temporal_address: str,
    settings: Settings,
    http: httpx2.AsyncClient,  # noqa: ARG001 - the worker needs a gateway
    unique: str,
) -> AsyncIterator[Start]:
    """Run a worker; yield what starts the page's workflow on it."""
    client = await Client.connect(temporal_address, plugins=[plugin_for(settings)])
    async with Worker(client, task_queue=unique, workflows=[page.Charge], activities=[page.charge]):

        async def start_it() -> WorkflowHandle[Any, Any]:
            return await client.start_workflow(page.Charge.run, "17", id=unique, task_queue=unique)

        yield start_it


async def send(settings: Settings, **replaced: str) -> dict[str, Any]:
    """Run the page's shell commands with other words in them, and return the reply."""
    script = block_of("bash").replace("http://127.0.0.1:8000", settings.base_url)
    for old, new in replaced.items():
        assert old in script
        script = script.replace(old, new)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euc", script),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    async with asyncio.timeout(30):
        printed, _ = await process.communicate()
    assert process.returncode == 0
    reply: dict[str, Any] = json.loads(printed)
    return reply


async def wait_for_states(http: httpx2.AsyncClient, *expected: str) -> None:
    async with asyncio.timeout(15):
        while True:
            events = (await http.get("/v1/events?source=stripe")).json()["events"]
            if [one["state"] for one in events] == [*expected]:
                return
            await pause()


async def wait_for_alias(http: httpx2.AsyncClient) -> None:
    async with asyncio.timeout(15):
        while not (await http.get("/v1/callbacks?alias=stripe:pi_17")).json()["callbacks"]:
            await pause()


async def test_signed_request_of_the_page_finishes_the_workflow(
    http: httpx2.AsyncClient, start: Start, settings: Settings
) -> None:
    started = await start()
    await wait_for_alias(http)

    forged = await send(settings, whsec_try="whsec_other")
    replies = [await send(settings), await send(settings)]

    assert forged["status"] == 401
    assert replies == [{"duplicate": False}, {"duplicate": True}]
    async with asyncio.timeout(20):
        assert str(await started.result()) == "Payment(payment='pi_17', cents=4200)"
    await wait_for_states(http, "matched")


async def test_request_before_the_activity_waits_and_then_finishes_it(
    http: httpx2.AsyncClient, start: Start, settings: Settings
) -> None:
    assert await send(settings) == {"duplicate": False}
    await wait_for_states(http, "waiting")

    started = await start()

    async with asyncio.timeout(20):
        assert (await started.result()).cents == 4200
    await wait_for_states(http, "matched")


async def test_failed_payment_fails_the_workflow_without_a_retry(
    http: httpx2.AsyncClient, start: Start, settings: Settings
) -> None:
    started = await start()
    await wait_for_alias(http)

    await send(settings, succeeded="payment_failed")

    with pytest.raises(WorkflowFailureError) as raised:
        async with asyncio.timeout(20):
            await started.result()
    assert isinstance(raised.value.cause, ActivityError)
    failure = raised.value.cause.cause
    assert isinstance(failure, ApplicationError)
    assert (failure.type, failure.message) == ("PaymentFailed", "the payment failed")
