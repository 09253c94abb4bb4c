"""A worker without Ringback opens its callback over HTTP, on a real Temporal server."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.domain.api_key import KeyId, Role, digest_secret, to_text
from ringback.ports.access import NewKey
from ringback.settings import Settings
from tests.integration.env import gateway
from tests.integration.workflows import Run, RunActivity

pytestmark = pytest.mark.server

OPEN = "/v1/callbacks"


class Foreign:
    """A worker that uses only Ringback's HTTP API, and the service that it calls."""

    def __init__(self, http: httpx2.AsyncClient, **options: Any) -> None:
        self.http = http
        self.options = options
        self.opened: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.asked: list[str] = []
        self.namings: list[dict[str, Any]] = []
        self.fails_once = False

    @activity.defn(name="ask")
    async def ask(self) -> Any:
        """Do what the guide for other languages says, by hand."""
        told = await self.open()
        if told["next"] == "return":
            return told["answer"].get("body")
        if told["next"] == "submit":
            self.asked.append(told["url"])
            await self.post(f"{OPEN}/{told['id']}/submitted", Role.WORKER)
        self.opened.put_nowait(told)
        if self.fails_once:
            self.fails_once = False
            msg = "the worker fails after it has asked"
            raise RuntimeError(msg)
        activity.raise_complete_async()

    async def open(self) -> dict[str, Any]:
        info = activity.info()
        naming = {
            "namespace": info.namespace,
            "workflow_id": info.workflow_id or "",
            "run_id": info.workflow_run_id or info.activity_run_id,
            "activity_id": info.activity_id,
            "attempt": info.attempt,
            "task_token": base64.b64encode(info.task_token).decode(),
        }
        self.namings.append(naming)
        reply = await self.post(
            OPEN, Role.WORKER, json={"activity": naming, "options": self.options}
        )
        assert reply.status_code == 200, reply.text
        told: dict[str, Any] = reply.json()
        return told

    async def post(self, path: str, role: Role = Role.OPERATOR, **more: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {key_of(role)}", **more.pop("headers", {})}
        return await self.http.post(path, headers=headers, **more)

    async def get(self, path: str, **more: Any) -> httpx2.Response:
        headers = {"authorization": f"Bearer {key_of(Role.VIEWER)}"}
        return await self.http.get(path, headers=headers, **more)

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(15):
            return await self.opened.get()


def key_of(role: Role) -> str:
    return to_text(KeyId(role.value), f"the secret of the {role.value}")


@pytest.fixture
async def http(temporal_address: str, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    async with opened_store(settings, SystemClock()) as store:
        for role in Role:
            digest = digest_secret(f"the secret of the {role.value}")
            await store.add_key(NewKey(KeyId(role.value), role.value, role, digest))
    async with gateway(temporal_address, settings) as http:
        yield http


@asynccontextmanager
async def run_by(
    foreign: Foreign, address: str, name: str, **run: Any
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """Run the foreign worker, and a workflow whose activity it is."""
    client = await Client.connect(address)
    async with Worker(
        client,
        task_queue=name,
        workflows=[RunActivity],
        workflow_runner=UnsandboxedWorkflowRunner(),
        activities=[foreign.ask],
    ):
        yield await client.start_workflow(
            RunActivity.run,
            Run(activity="ask", **run),
            id=name,
            task_queue=name,
            execution_timeout=timedelta(seconds=60),
        )


async def test_answer_to_the_link_is_the_result_of_the_workflow(
    http: httpx2.AsyncClient, temporal_address: str, unique: str
) -> None:
    foreign = Foreign(http, title="Charge", tags=["vip"], result_schema={"type": "object"})

    async with run_by(foreign, temporal_address, unique) as workflow:
        told = await foreign.next()
        wrong = await http.post(told["url"], json=1)
        answered = await http.post(told["url"], json={"amount": 1.5}, headers={"prefer": "wait=10"})
        result = await workflow.result()

    assert wrong.status_code == 422
    assert (answered.status_code, answered.json()["state"]) == (200, "applied")
    assert result == {"amount": 1.5}


async def test_callback_is_listed_with_its_options_and_activity(
    http: httpx2.AsyncClient, temporal_address: str, unique: str
) -> None:
    foreign = Foreign(http, tags=["vip"])

    async with run_by(foreign, temporal_address, unique, heartbeat=30) as workflow:
        told = await foreign.next()
        page = (await foreign.get(OPEN, params={"workflow_id": unique, "tag": "vip"})).json()
        trail = (await foreign.get(f"{OPEN}/{told['id']}/audit")).json()["entries"]
        await foreign.post(f"{OPEN}/{told['id']}/complete", json=None)
        assert await workflow.result() is None

    (found,) = page["callbacks"]
    assert (found["id"], found["workflow_type"]) == (told["id"], "RunActivity")
    assert (found["activity_type"], found["task_queue"]) == ("ask", unique)
    assert found["deadline_at"] is not None
    assert [entry["kind"] for entry in trail] == ["opened", "submitted"]


async def test_second_attempt_finds_the_callback_and_does_not_submit(
    http: httpx2.AsyncClient, temporal_address: str, unique: str
) -> None:
    foreign = Foreign(http)
    foreign.fails_once = True

    async with run_by(foreign, temporal_address, unique, attempts=2) as workflow:
        first, second = await foreign.next(), await foreign.next()
        await http.post(second["url"], json="yes")
        result = await workflow.result()

    assert (first["next"], second["next"]) == ("submit", "wait")
    assert (second["id"], second["url"]) == (first["id"], first["url"])
    assert (result, len(foreign.asked)) == ("yes", 1)


async def test_answer_between_two_attempts_is_delivered_to_the_second(
    http: httpx2.AsyncClient, temporal_address: str, unique: str
) -> None:
    foreign = Foreign(http)
    foreign.fails_once = True

    async with run_by(foreign, temporal_address, unique, attempts=2, back_off=3) as workflow:
        first = await foreign.next()
        answered = await http.post(first["url"], json="early")
        result = await workflow.result()

    assert answered.status_code == 202
    assert result == "early"


async def test_retryable_failure_makes_the_next_attempt_submit_again(
    http: httpx2.AsyncClient, temporal_address: str, unique: str
) -> None:
    foreign = Foreign(http)

    async with run_by(foreign, temporal_address, unique, attempts=3) as workflow:
        first = await foreign.next()
        await http.post(f"{first['url']}/fail", json={"message": "try again"})
        second = await foreign.next()
        refusal = {"message": "no", "type": "Declined", "non_retryable": True}
        await foreign.post(f"{OPEN}/{second['id']}/fail", json=refusal)
        with pytest.raises(WorkflowFailureError) as caught:
            await workflow.result()

    assert second["id"] != first["id"]
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    assert caught.value.cause.cause.type == "Declined"


async def test_operator_extends_and_revokes_a_callback_of_a_foreign_worker(
    http: httpx2.AsyncClient, temporal_address: str, unique: str
) -> None:
    foreign = Foreign(http, deadline="PT30S")

    async with run_by(foreign, temporal_address, unique) as workflow:
        told = await foreign.next()
        path = f"{OPEN}/{told['id']}"
        extended = (await foreign.post(f"{path}/extend", json={"within": "PT50S"})).json()
        await foreign.post(f"{path}/revoke")
        refused = await http.post(told["url"], json="old link")
        made = (await foreign.post(f"{path}/link", json={"verbs": ["complete"]})).json()
        taken = await http.post(made["url"], json="new link")
        result = await workflow.result()

    assert extended["deadline_at"] > told["deadline"]
    assert (refused.status_code, taken.status_code) == (404, 202)
    assert result == "new link"


async def test_ended_attempt_opens_no_callback(
    http: httpx2.AsyncClient, temporal_address: str, unique: str
) -> None:
    foreign = Foreign(http)

    async with run_by(foreign, temporal_address, unique) as workflow:
        await foreign.next()
        await workflow.terminate()
        over = await foreign.post(OPEN, Role.WORKER, json={"activity": foreign.namings[0]})

    assert (over.status_code, over.json()["type"]) == (410, "urn:ringback:activity-gone")


async def test_earlier_attempt_opens_no_callback(
    http: httpx2.AsyncClient, temporal_address: str, unique: str
) -> None:
    foreign = Foreign(http)
    foreign.fails_once = True

    async with run_by(foreign, temporal_address, unique, attempts=2) as workflow:
        await foreign.next()
        told = await foreign.next()
        stale = await foreign.post(OPEN, Role.WORKER, json={"activity": foreign.namings[0]})
        mixed_up = foreign.namings[1] | {"task_token": base64.b64encode(b"another").decode()}
        other = await foreign.post(OPEN, Role.WORKER, json={"activity": mixed_up})
        await http.post(told["url"], json="yes")
        assert await workflow.result() == "yes"

    assert stale.status_code == 410
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (
        422,
        "/activity/task_token",
    )


async def test_standalone_activity_of_a_foreign_worker_gets_its_answer(
    http: httpx2.AsyncClient, temporal_address: str, unique: str
) -> None:
    foreign = Foreign(http)
    foreign.fails_once = True
    client = await Client.connect(temporal_address)

    async with Worker(client, task_queue=unique, activities=[foreign.ask]):
        handle = await client.start_activity(
            "ask",
            id=unique,
            task_queue=unique,
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(initial_interval=timedelta(seconds=0.2)),
        )
        first, second = await foreign.next(), await foreign.next()
        await http.post(second["url"], json="alone")
        result = await handle.result()

    assert (second["id"], second["next"]) == (first["id"], "wait")
    assert result == "alone"
