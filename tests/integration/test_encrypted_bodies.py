"""With `RINGBACK_ENCRYPT_BODIES`, the store never contains an answer in plain text."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx2
import pytest
from pydantic import SecretStr
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from ringback import Callback, Decision, Subject, wait_for_callback, wait_for_decision
from ringback.app.bootstrap import RunningGateway, edges_of, running_gateway, stop_waiting
from ringback.app.container import Parts
from ringback.app.credentials import ensure_local_keys
from ringback.app.gateway_app import build_app
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.core.services import run_services
from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.settings import Settings
from ringback.temporal.converter import choose_converter
from tests.contract.postgresql_server import create_database, drop_database, empty, server_url
from tests.integration.env import FakeService, path_of, plugin_for, serve_at, settings_in
from tests.integration.workflows import Run, RunActivity
from tests.polling import pause

pytestmark = pytest.mark.server

ENCRYPTED = "tests.encryption:encrypted"
BEFORE_ROTATION = "tests.encryption:before_rotation"
FAILING = "tests.encryption:failing"
SECRET = "4242-4242"  # noqa: S105 - what the tests search for


@dataclass
class House:
    """A store, a worker, and gateways that come and go."""

    settings: Settings
    address: str
    name: str
    service: FakeService
    kind: type = dict
    options: dict[str, Any] = field(default_factory=dict)

    @asynccontextmanager
    async def gateway(
        self, *, encrypts: bool = True, path: str = ENCRYPTED, delivers: bool = True
    ) -> AsyncIterator[httpx2.AsyncClient]:
        """Run a gateway for the block; yield a client of it."""
        settings = self.settings.model_copy(update={"encrypt_bodies": encrypts})
        converter = choose_converter(path, None)
        client = await Client.connect(self.address, lazy=True, data_converter=converter)
        async with AsyncExitStack() as stack:
            make = running_gateway if delivers else running_without_deliverer
            gateway = await stack.enter_async_context(make(client, settings))
            await serve_at(stack, gateway, settings)
            yield await stack.enter_async_context(
                httpx2.AsyncClient(base_url=settings.base_url, timeout=30, verify=False)
            )

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Client]:
        """Run a worker for the block; a gateway must run already."""

        @activity.defn
        async def ask() -> Any:
            if self.kind is Decision:
                return await wait_for_decision(Subject("?"), self.service.submit, **self.options)
            return await wait_for_callback(self.service.submit, self.kind, **self.options)

        client = await Client.connect(
            self.address,
            data_converter=choose_converter(ENCRYPTED, None),
            plugins=[plugin_for(self.settings)],
        )
        async with Worker(
            client,
            task_queue=self.name,
            workflows=[RunActivity],
            workflow_runner=UnsandboxedWorkflowRunner(),
            activities=[ask],
        ):
            yield client

    async def ask(self, client: Client, number: int = 0) -> WorkflowHandle[Any, Any]:
        return await client.start_workflow(
            RunActivity.run,
            Run("ask"),
            id=f"{self.name}-{number}",
            task_queue=self.name,
            execution_timeout=timedelta(seconds=60),
        )

    async def content(self) -> bytes:
        """Return all bytes of the store: the files of SQLite, or all columns of PostgreSQL."""
        url = self.settings.postgresql_url
        if url is not None:
            return await _dump(url.get_secret_value())
        path = self.settings.database_path
        files = [path, path.with_name(f"{path.name}-wal")]
        assert all(file.stat().st_size for file in files)
        return b"".join(file.read_bytes() for file in files)

    async def last_error(self, callback: Callback) -> str | None:
        """Return why the answer of `callback` is not delivered, once it was tried."""
        async with opened_store(self.settings, SystemClock()) as store:
            while True:
                found = (await store.find([CallbackId(callback.id)]))[CallbackId(callback.id)]
                assert found.state is State.ACCEPTED
                assert found.accepted is not None
                if found.accepted.last_error is not None:
                    return found.accepted.last_error
                await pause()


@asynccontextmanager
async def running_without_deliverer(
    client: Client, settings: Settings
) -> AsyncIterator[RunningGateway]:
    """Run what accepts answers, and never delivers one."""
    async with opened_store(settings, SystemClock()) as store:
        if settings.postgresql_url is None:
            await ensure_local_keys(settings.data, store)
        edges = edges_of(client, settings, store)
        parts = Parts(edges)
        async with run_services(*edges.services, parts.opener, parts.answer_service):
            yield RunningGateway(build_app(parts), partial(stop_waiting, parts), parts.metrics)


async def _dump(url: str) -> bytes:
    """Return all values of all tables: binary ones as hexadecimal digits."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        )
        lines: list[str] = []
        for (table,) in tables:
            rows = await connection.fetch(f'SELECT t::text FROM "{table}" t')  # noqa: S608 - a name of the schema
            lines += [row[0] for row in rows]
    finally:
        await connection.close()
    return "\n".join(lines).encode()


def is_in(content: bytes, secret: str = SECRET) -> bool:
    return secret.encode() in content or secret.encode().hex().encode() in content


@pytest.fixture(scope="session")
async def databases() -> AsyncIterator[list[str]]:
    """The database of all tests, once one of them has created it: that takes a second."""
    created: list[str] = []
    yield created
    for url in created:
        await drop_database(await server_url(), url)


async def empty_database(created: list[str]) -> str:
    """Return the URL of an empty database."""
    if created:
        await empty(created[0])
    else:
        created.append(await create_database(await server_url()))
    return created[0]


@pytest.fixture(params=["sqlite", "postgresql"])
async def house(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    temporal_address: str,
    unique: str,
    databases: list[str],
) -> House:
    settings = settings_in(tmp_path)
    if request.param == "postgresql":
        url = await empty_database(databases)
        keys = SecretStr(f"k1:{'5a' * 32}")
        settings = settings.model_copy(update={"store": SecretStr(url), "keys": keys})
        async with opened_store(settings, SystemClock()) as store:
            await ensure_local_keys(settings.data, store)
    service = FakeService(asyncio.get_running_loop())
    return House(settings, temporal_address, unique, service)


def body(text: str = SECRET) -> bytes:
    return json.dumps({"card": text}).encode()


async def send(
    http: httpx2.AsyncClient, callback: Callback, content: bytes, verb: str = "", wait: int = 10
) -> httpx2.Response:
    headers = {"prefer": f"wait={wait}", "content-type": "application/json"}
    return await http.post(f"{path_of(callback)}{verb}", content=content, headers=headers)


@pytest.mark.parametrize("encrypts", [True, False])
async def test_store_contains_no_answer_heartbeat_default_or_losing_answer(
    house: House,
    encrypts: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    house.options = {"deadline": timedelta(hours=1), "on_deadline": {"card": SECRET}}
    async with house.gateway(encrypts=encrypts) as http, house.worker() as client:
        handle = await house.ask(client)
        callback = await house.service.next()

        heartbeat = await send(http, callback, body(), "/heartbeat")
        (pending,) = (await handle.describe()).raw_description.pending_activities
        first = await send(http, callback, body())
        losing = await send(http, callback, body(f"{SECRET} again"))
        content = await house.content()

        assert (heartbeat.status_code, first.json()["state"]) == (200, "applied")
        assert losing.status_code == 409
        assert await handle.result() == {"card": SECRET}
        details = await client.data_converter.decode(pending.heartbeat_details.payloads)
        assert details == [{"card": SECRET}]
        assert is_in(content) is not encrypts


async def test_same_answer_is_a_duplicate_and_another_one_a_conflict(house: House) -> None:
    async with house.gateway() as http, house.worker() as client:
        await house.ask(client)
        callback = await house.service.next()
        await send(http, callback, b'{"card": 1}')

        again = await send(http, callback, b'{ "card": 1.0 }')
        other = await send(http, callback, b'{"card": 2}')

    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert (other.status_code, other.json()["type"]) == (409, "urn:ringback:answered-differently")


async def test_answer_is_delivered_by_the_next_gateway_with_a_newer_key(house: House) -> None:
    accepting = house.gateway(delivers=False, path=BEFORE_ROTATION)
    async with AsyncExitStack() as stack:
        async with accepting as http:
            client = await stack.enter_async_context(house.worker())
            handle = await house.ask(client)
            callback = await house.service.next()
            accepted = await send(http, callback, body(), wait=0)
            content = await house.content()

        async with house.gateway() as http:
            assert await handle.result() == {"card": SECRET}
            again = await send(http, callback, body())

        assert accepted.status_code == 202
        assert not is_in(content)
        assert again.json()["duplicate"]


@pytest.mark.parametrize("encrypts", [True, False], ids=["switched on", "switched off"])
async def test_rows_from_before_the_setting_changed_are_read(
    house: House,
    encrypts: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    async with AsyncExitStack() as stack:
        async with house.gateway(encrypts=not encrypts, delivers=False) as http:
            client = await stack.enter_async_context(house.worker())
            handle = await house.ask(client)
            callback = await house.service.next()
            await send(http, callback, body(), wait=0)

        async with house.gateway(encrypts=encrypts, delivers=False) as http:
            again = await send(http, callback, body(), wait=0)
            other = await send(http, callback, body("5"), wait=0)

        async with house.gateway(encrypts=encrypts):
            assert await handle.result() == {"card": SECRET}

    assert (again.status_code, again.json()["duplicate"]) == (200, True)
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("broken", "the data converter failed: ValueError"),
        ("hang", "the data converter did not return within 5 s"),
    ],
)
async def test_answer_that_cannot_be_decrypted_is_retried_and_others_are_delivered(
    house: House, word: str, reason: str
) -> None:
    async with AsyncExitStack() as stack:
        async with house.gateway(delivers=False) as http:
            client = await stack.enter_async_context(house.worker())
            handles = [await house.ask(client, number) for number in range(3)]
            callbacks = await _by_workflow(house, handles)
            for callback, text in zip(callbacks, ("good", word, "good"), strict=True):
                await send(http, callback, body(text), wait=0)

        async with house.gateway(path=FAILING):
            results = [await handle.result() for handle in (handles[0], handles[2])]
            last_error = await house.last_error(callbacks[1])

        async with house.gateway():
            later = await handles[1].result()

    assert results == [{"card": "good"}] * 2
    assert last_error == f"the stored body cannot be decrypted: {reason}"
    assert later == {"card": word}


async def _by_workflow(house: House, handles: Sequence[WorkflowHandle[Any, Any]]) -> list[Callback]:
    """Return the callbacks of workflows, in their order."""
    given = [await house.service.next() for _ in handles]
    async with opened_store(house.settings, SystemClock()) as store:
        found = await store.find([CallbackId(one.id) for one in given])
    by_id = {found[CallbackId(one.id)].ref.workflow_id: one for one in given}
    return [by_id[handle.id] for handle in handles]


async def test_form_of_a_decision_is_encrypted_and_reaches_the_workflow(house: House) -> None:
    house.kind = Decision
    house.options = {"form": dict}
    async with house.gateway() as http, house.worker() as client:
        handle = await house.ask(client)
        callback = await house.service.next()
        vote = json.dumps({"approved": True, "form": {"card": SECRET}}).encode()

        first = await send(http, callback, vote)
        again = await send(http, callback, vote)
        other = await send(http, callback, b'{"approved": true, "form": {"card": "5"}}')
        content = await house.content()

        assert first.json()["state"] == "applied"
        assert (again.json()["duplicate"], other.status_code) == (True, 409)
        result = await handle.result()
        assert (result["approved"], result["form"]) == (True, {"card": SECRET})
        assert not is_in(content)


async def test_rejection_with_a_form_fails_the_activity(house: House) -> None:
    house.kind = Decision
    house.options = {"form": dict, "on_reject": "fail"}
    async with house.gateway() as http, house.worker() as client:
        handle = await house.ask(client)
        callback = await house.service.next()
        vote = json.dumps({"approved": False, "form": {"card": SECRET}}).encode()

        first = await send(http, callback, vote)
        content = await house.content()
        history = await handle.fetch_history()

        assert first.json()["state"] == "applied"
        assert not is_in(content)
        (failed,) = [
            event.activity_task_failed_event_attributes
            for event in history.events
            if event.HasField("activity_task_failed_event_attributes")
        ]
        details = failed.failure.application_failure_info.details.payloads
        (decision,) = await client.data_converter.decode(details)
        assert decision["form"] == {"card": SECRET}
