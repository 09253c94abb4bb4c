"""An attempt ends with the answer that came before it."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

import httpx2
import pytest
from temporalio import activity
from temporalio.client import Client, WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError

from ringback import Callback, wait_for_callback, wait_for_callback_sync
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.core.verdicts import judge
from ringback.domain.activity_state import Ended
from ringback.domain.callback import State
from ringback.domain.errors import GatewayUnavailableError
from ringback.settings import Settings
from ringback.temporal.activities import TemporalActivities
from ringback.worker.runtime import Opened, WorkerRuntime, get_runtime, runtime_set
from tests.integration.env import Env, FakeService, gateway_without_deliverer, path_of, worker
from tests.integration.workflows import Run

pytestmark = pytest.mark.server

FAILURE = {
    "message": "declined",
    "type": "Declined",
    "non_retryable": True,
    "details": [{"code": 5}],
}


@dataclass
class Receipt:
    """A typed result."""

    amount: int


class Asking:
    """Loses its first attempt after it has asked, and returns what the later ones get."""

    def __init__(self, service: FakeService, result_type: Any) -> None:
        self.service = service
        self.result_type = result_type
        self.given: list[Any] = []
        self.answered = threading.Event()

    @activity.defn(name="ask")
    async def run(self) -> Any:
        async def submit(callback: Callback) -> None:
            await self.service.submit(callback)
            await asyncio.to_thread(self.answered.wait)
            msg = "lost after the request was sent"
            raise ConnectionError(msg)

        self.given.append(await wait_for_callback(submit, self.result_type))
        return "the activity's own end"

    @activity.defn(name="ask")
    def run_in_a_thread(self) -> Any:
        def submit(callback: Callback) -> None:
            self.service.submit_in_a_thread(callback)
            self.answered.wait()
            msg = "lost after the request was sent"
            raise ConnectionError(msg)

        self.given.append(wait_for_callback_sync(submit, self.result_type))
        return "the activity's own end"


@pytest.fixture
async def http(temporal_address: str, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """A gateway that delivers nothing, so only an attempt can end with the answer."""
    async with gateway_without_deliverer(temporal_address, settings) as http:
        yield http


@pytest.mark.parametrize("in_a_thread", [False, True], ids=["async", "thread"])
@pytest.mark.parametrize(
    ("result_type", "body", "value"),
    [
        (Receipt, b'{"amount": 5}', Receipt(5)),
        (list[int], b"[1, 2]", [1, 2]),
        (object, b'{"a": [null]}', {"a": [None]}),
        (str, b'"x"', "x"),
        (type(None), None, None),
    ],
    ids=["dataclass", "list", "object", "str", "nothing"],
)
async def test_next_attempt_returns_the_result_in_its_type(
    temporal_address: str,
    settings: Settings,
    service: FakeService,
    unique: str,
    http: httpx2.AsyncClient,
    *,
    result_type: Any,
    body: bytes | None,
    value: object,
    in_a_thread: bool,
) -> None:
    asking = Asking(service, result_type)
    run = asking.run_in_a_thread if in_a_thread else asking.run
    async with worker(temporal_address, settings, unique, activities=[run]) as client:
        handle = await Env(client, settings, unique, http, service).start(Run("ask", attempts=2))
        link = path_of(await service.next())
        assert (await http.post(link, content=body)).status_code == 202
        asking.answered.set()

        assert await handle.result() == "the activity's own end"

    assert asking.given == [value]
    assert service.given.empty()


async def test_next_attempt_raises_the_failure_and_history_names_its_worker(
    temporal_address: str,
    settings: Settings,
    service: FakeService,
    unique: str,
    client: Client,
    http: httpx2.AsyncClient,
) -> None:
    asking = Asking(service, object)
    async with worker(temporal_address, settings, unique, activities=[asking.run]) as its_client:
        env = Env(its_client, settings, unique, http, service)
        handle = await env.start(Run("ask", attempts=2))
        callback = await service.next()
        reply = await http.post(f"{path_of(callback)}/fail", json=FAILURE)
        assert reply.status_code == 202
        asking.answered.set()

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()

    assert isinstance(caught.value.cause, ActivityError)
    cause = caught.value.cause.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.message, cause.type, cause.details) == ("declined", "Declined", ({"code": 5},))
    async with opened_store(settings, SystemClock()) as store:
        found = (await store.find([callback.id]))[callback.id]
    end = await TemporalActivities(client).resolve(found.ref)
    assert isinstance(end, Ended)
    assert found.accepted is not None
    assert (end.how, end.identity) == ("failed", found.accepted.delivered_inline_to)


class ReplyLost:
    """A worker's runtime that loses the reply with the answer."""

    def __init__(self, runtime: WorkerRuntime) -> None:
        self._runtime = runtime

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runtime, name)

    async def open(self, *args: Any, **options: Any) -> Opened:
        opened = await self._runtime.open(*args, **options)
        if opened.answer is not None:
            msg = "the reply was lost"
            raise GatewayUnavailableError(msg)
        return opened


class OrderError(Exception):
    """The activity's own."""


async def unchanged(asking: Asking) -> Any:
    return await asking.run()


async def as_its_own(asking: Asking) -> Any:
    try:
        return await asking.run()
    except ApplicationError as exc:
        msg = "the order failed"
        raise OrderError(msg) from exc


async def without_reply(asking: Asking) -> Any:
    with runtime_set(cast("WorkerRuntime", ReplyLost(get_runtime()))):
        return await asking.run()


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        (unchanged, State.APPLIED),
        (as_its_own, State.APPLIED),
        (without_reply, State.SUPERSEDED),
    ],
)
@pytest.mark.parametrize("non_retryable", [True, False], ids=["final", "retryable"])
async def test_last_attempt_that_fails_proves_whether_it_did_so_with_the_answer(
    temporal_address: str,
    settings: Settings,
    service: FakeService,
    unique: str,
    client: Client,
    http: httpx2.AsyncClient,
    *,
    ends: Callable[[Asking], Awaitable[Any]],
    verdict: State,
    non_retryable: bool,
) -> None:
    asking = Asking(service, object)

    @activity.defn
    async def ask() -> Any:
        return await ends(asking)

    async with worker(temporal_address, settings, unique, activities=[ask]) as its_client:
        env = Env(its_client, settings, unique, http, service)
        handle = await env.start(Run("ask", attempts=2))
        callback = await service.next()
        said = {"message": "declined", "non_retryable": non_retryable}
        assert (await http.post(f"{path_of(callback)}/fail", json=said)).status_code == 202
        asking.answered.set()
        with pytest.raises(WorkflowFailureError):
            await handle.result()

    async with opened_store(settings, SystemClock()) as store:
        found = (await store.find([callback.id]))[callback.id]
    end = await TemporalActivities(client).resolve(found.ref)
    assert found.accepted is not None
    assert found.accepted.delivered_inline_attempt == 2
    settlement = judge(found, found.accepted, end)
    assert settlement is not None
    assert settlement.verdict is verdict
