"""A Nexus operation that a standalone activity backs ends by the activity's link."""

import importlib
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from temporalio.api.nexus.v1 import EndpointSpec, EndpointTarget
from temporalio.api.operatorservice.v1 import CreateNexusEndpointRequest
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from ringback.app.bootstrap import running_gateway
from ringback.settings import Settings
from tests.integration.env import GRACE, plugin_for, serve_at
from tests.integration.nexus_caller import Buyer
from tests.own_temporal import own_temporal

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "signal-or-callback.md"

pytestmark = [
    pytest.mark.server,
    pytest.mark.processes,
    pytest.mark.thorough,
    pytest.mark.timeout(120),
]


@asynccontextmanager
async def buying(
    page: Any, settings: Settings, server: Mapping[str, str]
) -> AsyncIterator[tuple[Client, str]]:
    """Run the page's worker beside a gateway; yield a client and the endpoint."""
    async with own_temporal(server) as connected, AsyncExitStack() as stack:
        await serve_at(
            stack,
            await stack.enter_async_context(running_gateway(connected, settings)),
            settings,
        )
        client = await Client.connect(
            connected.service_client.config.target_host, plugins=[plugin_for(settings)]
        )
        name = f"orders-{uuid4()}"
        target = EndpointTarget.Worker(namespace="default", task_queue=name)
        spec = EndpointSpec(name=name, target=EndpointTarget(worker=target))
        await client.operator_service.create_nexus_endpoint(CreateNexusEndpointRequest(spec=spec))
        async with Worker(
            client,
            task_queue=name,
            workflows=[Buyer],
            activities=[page.ask],
            nexus_service_handlers=[page.OrdersHandler()],
            graceful_shutdown_timeout=GRACE,
        ):
            yield client, name


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module that the page shows."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if "nexusrpc" in block]
    (tmp_path / "nexus_orders.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    sys.modules.pop("nexus_orders", None)
    return importlib.import_module("nexus_orders")


async def test_operation_of_the_page_ends_with_the_first_answer_that_fits(
    page: Any, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    async with buying(page, settings, {"activity.enableCallbacks": "true"}) as (client, name):
        running = await client.start_workflow(Buyer.run, name, id=name, task_queue=name)
        shown = ""
        async with httpx2.AsyncClient() as http:
            while "answer at" not in shown:
                await _tick(client, name)
                shown += capsys.readouterr().out
            link = shown.split()[-1]
            wrong = await http.post(link, json="yes")
            right = await http.post(link, json=True, headers={"prefer": "wait=10"})
            other = await http.post(link, json=False)

        assert await running.result() is True
        assert (wrong.status_code, right.json()["state"], other.status_code) == (
            422,
            "applied",
            409,
        )


async def test_operation_without_the_setting_of_the_server_does_not_start(
    page: Any, settings: Settings
) -> None:
    async with buying(page, settings, {}) as (client, name):
        with pytest.raises(WorkflowFailureError) as failed:
            await client.execute_workflow(Buyer.run, name, id=name, task_queue=name)

        causes = []
        error: BaseException | None = failed.value
        while error is not None:
            causes.append(str(error))
            error = error.__cause__
        assert "completion callbacks are not enabled for this namespace" in " ".join(causes)


async def _tick(client: Client, name: str) -> None:
    """Wait for a moment's work of the server."""
    await client.get_workflow_handle(name).describe()
