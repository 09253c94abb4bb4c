"""An operator gives parked answers up, and the gateway asks the real server first."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from temporalio import activity
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import WorkflowHandle
from temporalio.service import RPCError, RPCStatusCode

from ringback import wait_for_callback
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.app.web import free_ports
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.domain.callback import State
from ringback.ports.deliveries import Settlement
from ringback.settings import Settings
from ringback.worker.callback import Callback
from tests.integration.env import FakeService, gateway_without_deliverer, path_of, worker
from tests.integration.facts.env import until
from tests.integration.facts.operator_actions import reset_workflow
from tests.integration.operated_workflow import Workflow
from tests.integration.workflows import Run, RunActivity

pytestmark = pytest.mark.server

LEASE = timedelta(seconds=30)
WHY = {"by": "ada", "reason": "the order was canceled"}


@dataclass
class Parked:
    """A workflow whose activity waits, and whose answer is parked."""

    http: httpx2.AsyncClient
    settings: Settings
    handle: WorkflowHandle[Any, Any]
    workflow: Workflow
    callback: Callback

    @property
    def path(self) -> str:
        return f"/v1/callbacks/{self.callback.id}"

    async def give_up(self, **body: object) -> httpx2.Response:
        """Give the answer up as the operator of this machine."""
        return await call(self.http, self.settings, "POST", f"{self.path}/give-up", **body)

    async def state(self) -> str:
        """Return the state of the callback."""
        return str((await call(self.http, self.settings, "GET", self.path)).json()["state"])

    async def problems(self) -> list[str]:
        """Return what `ringback status` prints as problems."""
        summary = (await call(self.http, self.settings, "GET", "/v1/summary")).json()
        assert summary["is_well"] is not bool(summary["problems"])
        return [one["what"] for one in summary["problems"]]


async def call(
    http: httpx2.AsyncClient, settings: Settings, method: str, path: str, **body: object
) -> httpx2.Response:
    key = local_key_path(settings.data, Role.OPERATOR).read_text().strip()
    headers = {"authorization": f"Bearer {key}"}
    return await http.request(
        method, path, json=body if method == "POST" else None, headers=headers
    )


@asynccontextmanager
async def parked(
    address: str, settings: Settings, service: FakeService, task_queue: str, **options: Any
) -> AsyncIterator[Parked]:
    @activity.defn(name="ask")
    async def ask() -> Any:
        return await wait_for_callback(service.submit, object, **options)

    async with (
        gateway_without_deliverer(address, settings) as http,
        worker(address, settings, task_queue, activities=[ask]) as client,
    ):
        handle = await client.start_workflow(
            RunActivity.run,
            Run("ask"),
            id=f"{task_queue}-workflow",
            task_queue=task_queue,
            execution_timeout=timedelta(seconds=60),
        )
        callback = await service.next()
        assert (await http.post(path_of(callback), json="too late")).status_code == 202
        await park(settings, callback)
        yield Parked(http, settings, handle, Workflow(client, handle), callback)


async def park(settings: Settings, callback: Callback) -> None:
    async with opened_store(settings, SystemClock()) as store:
        (claimed,) = await store.claim("a test", limit=1, lease=LEASE)
        assert claimed.accepted is not None
        reason: dict[str, object] = {"reason": "the test parked it"}
        tries = claimed.accepted.tries
        await store.settle([Settlement(claimed.id, tries, State.PARKED, reason)])
        assert claimed.id == callback.id


async def test_answer_of_a_terminated_workflow_is_given_up_and_status_is_green_again(
    temporal_address: str, settings: Settings, service: FakeService, unique: str
) -> None:
    async with parked(temporal_address, settings, service, unique) as it:
        before = await it.problems()
        refused = await it.give_up(**WHY)
        still = await it.state()
        await it.handle.terminate()

        given_up = await it.give_up(**WHY)
        again = await it.give_up()

        assert before == ["parked"]
        assert (refused.status_code, still) == (409, "parked")
        assert "ringback redeliver" in refused.json()["detail"]
        assert (given_up.status_code, given_up.json()["state"]) == (200, "superseded")
        assert given_up.json()["outcome"]["proof"]["closed"] == "workflow terminated"
        assert again.json() == given_up.json()
        assert await it.problems() == []
        entries = (await call(it.http, settings, "GET", f"{it.path}/audit")).json()["entries"]
        (facts,) = [one["facts"] for one in entries if one["kind"] == "given up"]
        assert (facts["name"], facts["reason"]) == ("ada", "the order was canceled")


async def test_answer_of_a_deleted_workflow_is_given_up(
    temporal_address: str, settings: Settings, service: FakeService, unique: str
) -> None:
    async with parked(temporal_address, settings, service, unique) as it:
        await delete(it.workflow)

        given_up = await it.give_up(**WHY)

        assert (given_up.status_code, given_up.json()["state"]) == (200, "superseded")
        assert set(given_up.json()["outcome"]["proof"]) == {"given up by", "reason"}
        assert await it.problems() == []


async def test_answer_that_a_reset_workflow_waits_for_is_not_given_up(
    temporal_address: str, settings: Settings, service: FakeService, unique: str
) -> None:
    async with parked(temporal_address, settings, service, unique, follow_reset=True) as it:
        await reset_workflow(it.workflow, await it.workflow.step())

        refused = await it.give_up(**WHY)

        assert (refused.status_code, await it.state()) == (409, "parked")
        await it.workflow.client.get_workflow_handle(it.handle.id).terminate()


async def test_nothing_is_given_up_while_the_server_is_away(
    temporal_address: str, settings: Settings, service: FakeService, unique: str
) -> None:
    async with parked(temporal_address, settings, service, unique) as it:
        await it.handle.terminate()
    nowhere = f"127.0.0.1:{free_ports(1)[0]}"

    async with gateway_without_deliverer(nowhere, settings) as http:
        reply = await call(http, settings, "POST", f"{it.path}/give-up", **WHY)
        shown = await call(http, settings, "GET", it.path)

    assert reply.status_code == 503
    assert reply.headers["retry-after"]
    assert shown.json()["state"] == "parked"


async def delete(workflow: Workflow) -> None:
    """Delete a workflow that runs; a closed one is there for half a minute longer."""
    run = WorkflowExecution(workflow_id=workflow.handle.id)
    await workflow.client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(namespace=workflow.client.namespace, workflow_execution=run)
    )

    async def status() -> RPCStatusCode | None:
        try:
            await workflow.handle.describe()
        except RPCError as exc:
            return exc.status
        return None

    await until(status, lambda found: found is RPCStatusCode.NOT_FOUND)
