"""The example of a service that calls back, both options, and what option 1 loses."""

import asyncio
import base64
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit
from uuid import uuid4

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle

from ringback.app.web import bound_socket, served
from tests.acceptance.programs import Program, free_port, program
from tests.acceptance.site import Site
from tests.examples.conftest import EXAMPLES

pytestmark = [pytest.mark.server, pytest.mark.processes]

FOLDER = EXAMPLES / "async_activities"
DOCS = "https://docs.temporal.io/develop/python/asynchronous-activity-completion"
COMPLETE = {"activity_action": "complete", "message": "the work is done"}
BUSINESS_LOGIC = "callback: business logic"

Handle = WorkflowHandle[Any, Any]


@dataclass
class ServiceStandIn:
    """The HTTP service in the test's hands.

    Attributes:
        url: Its URL.
        callback_urls: The callback URLs that it received.
        statuses: The replies to the next requests; then 200.
        may_reply: Set while it may reply.
    """

    url: str
    callback_urls: asyncio.Queue[str] = field(default_factory=asyncio.Queue)
    statuses: list[int] = field(default_factory=list)
    may_reply: asyncio.Event = field(default_factory=asyncio.Event)

    async def reply(self, request: Request) -> Response:
        self.callback_urls.put_nowait((await request.json())["callback_url"])
        await self.may_reply.wait()
        return JSONResponse({}, self.statuses.pop(0) if self.statuses else 200)


@dataclass
class Setup:
    """One option, with its service.

    Attributes:
        option: The option.
        environment: What its programs are given.
        client: A client of Temporal.
    """

    option: int
    environment: dict[str, str]
    client: Client

    def run(self, *words: str) -> AbstractAsyncContextManager[Program]:
        """Run `python -m …` in the example's folder."""
        command = [sys.executable, "-m", *words]
        return program(command, {**self.environment, "PYTHONPATH": str(FOLDER)})

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[Program]:
        """Run the worker."""
        async with self.run("worker", "--option", str(self.option)) as running:
            await running.line("running. Ctrl+C stops")
            yield running

    async def start(self, action: str = "complete") -> Handle:
        """Start the workflow, as the client does."""
        request = {
            "time_to_request": 0,
            "time_to_callback": 20,
            "activity_action": action,
            "patience": 20,
        }
        return await self.client.start_workflow(
            "CallService",
            request,
            id=f"call-service-{uuid4()}",
            task_queue=self.environment["TASK_QUEUE"],
            result_type=str,
        )


async def post(url: str, body: object = None, **headers: str) -> httpx2.Response:
    """Call back."""
    async with httpx2.AsyncClient(verify=False, timeout=30) as http:
        return await http.post(url, json=COMPLETE if body is None else body, headers=headers)


async def is_running(handle: Handle) -> bool:
    return (await handle.describe()).status is WorkflowExecutionStatus.RUNNING


@pytest.fixture
async def service() -> AsyncIterator[ServiceStandIn]:
    listening = bound_socket("127.0.0.1", 0)
    stand_in = ServiceStandIn(f"http://127.0.0.1:{listening.getsockname()[1]}")
    stand_in.may_reply.set()
    app = Starlette(routes=[Route("/request", stand_in.reply, methods=["POST"])])
    async with served(app, listening):
        yield stand_in


async def set_up(site: Site, option: int, service_url: str) -> Setup:
    environment = {
        **site.environment,
        "TASK_QUEUE": f"async-activities-{uuid4()}",
        "HTTP_SERVICE_URL": service_url,
        "WORKER_HTTP_PORT": str(free_port()),
        "PATIENCE_SECONDS": "3",
    }
    return Setup(option, environment, await site.client())


@pytest.fixture
async def raw(site: Site, service: ServiceStandIn) -> Setup:
    """Option 1."""
    return await set_up(site, 1, service.url)


@pytest.fixture
async def ours(site: Site, service: ServiceStandIn, gateway: Program) -> Setup:  # noqa: ARG001 - it receives callbacks
    """Option 2."""
    return await set_up(site, 2, service.url)


ENDS = {
    "complete": (0, "completed: the work is done"),
    "heartbeat": (0, "completed: the work is done"),
    "fail": (1, "failed: the work could not be done"),
    "report_cancellation": (0, "canceled"),
    "ignore": (1, "timed out"),
}


async def test_help_of_the_client_fits_80_columns_and_has_the_whole_url(site: Site) -> None:
    setup = await set_up(site, 1, "http://127.0.0.1:1")
    setup.environment["COLUMNS"] = "80"
    async with setup.run("client", "--help") as client:
        assert await client.end() == 0

    assert max(map(len, client.lines)) <= 80
    assert "-ttr, --time-to-request INTEGER" in client.output
    assert DOCS in client.output
    assert client.output in (FOLDER / "README.md").read_text("utf-8")


@pytest.mark.parametrize("option", [1, 2])
@pytest.mark.usefixtures("gateway")
async def test_each_action_ends_as_the_readme_says(site: Site, option: int) -> None:
    setup = await set_up(site, option, f"http://127.0.0.1:{free_port()}")
    # Only the activity that nobody ends may time out, however slow the machine is.
    patient = replace(setup, environment={**setup.environment, "PATIENCE_SECONDS": "20"})
    async with setup.run("http_service") as service, setup.worker():
        await service.line("HTTP service is running")

        async def end_of(action: str) -> tuple[int, str]:
            words = ("-ttr", "0", "-ttc", "2", "--activity-action", action)
            async with (setup if action == "ignore" else patient).run("client", *words) as client:
                code = await client.end()
            return code, client.lines[-1]

        ends = dict(zip(ENDS, await asyncio.gather(*map(end_of, ENDS)), strict=True))

    assert ends == ENDS


@pytest.mark.thorough
async def test_option_1_loses_the_callback_of_an_attempt_that_failed(
    raw: Setup, service: ServiceStandIn
) -> None:
    service.statuses.append(503)
    async with raw.worker():
        handle = await raw.start()
        first = await service.callback_urls.get()
        second = await service.callback_urls.get()

        late = await post(first)

        assert (late.status_code, first != second) == (410, True)
        assert await is_running(handle)
        assert (await post(second)).status_code == 200
        assert await handle.result() == "the work is done"


@pytest.mark.thorough
async def test_option_2_accepts_the_callback_of_an_attempt_that_failed(
    ours: Setup, service: ServiceStandIn
) -> None:
    service.statuses.append(503)
    async with ours.worker():
        handle = await ours.start()
        first = await service.callback_urls.get()
        second = await service.callback_urls.get()

        assert (await post(first)).status_code == 202
        assert first == second
        assert await handle.result() == "the work is done"


@pytest.mark.thorough
async def test_option_1_ends_the_activity_while_run_still_calls_the_service(
    raw: Setup, service: ServiceStandIn
) -> None:
    service.may_reply.clear()
    service.statuses.append(503)
    async with raw.worker() as worker:
        handle = await raw.start()
        early = await post(await service.callback_urls.get())

        assert early.status_code == 200
        assert await handle.result() == "the work is done"
        # The service refuses, but the workflow has gone on: nobody sees that `run` fails.
        service.may_reply.set()
        await worker.line("Completing activity as failed")


async def test_option_2_continues_once_run_has_called_the_service(
    ours: Setup, service: ServiceStandIn
) -> None:
    service.may_reply.clear()
    async with ours.worker() as worker:
        handle = await ours.start()
        early = await post(await service.callback_urls.get())

        assert early.status_code == 202
        assert await is_running(handle)
        assert BUSINESS_LOGIC not in worker.output
        service.may_reply.set()
        assert await handle.result() == "the work is done"


@pytest.mark.thorough
async def test_option_1_runs_the_business_logic_of_a_repeated_callback_again(
    raw: Setup, service: ServiceStandIn
) -> None:
    async with raw.worker() as worker:
        handle = await raw.start()
        url = await service.callback_urls.get()
        await worker.line("the service has the request")

        replies = [(await post(url)).status_code for _ in range(2)]

        assert replies == [200, 410]
        assert await handle.result() == "the work is done"
        await worker.times(BUSINESS_LOGIC, 2)


@pytest.mark.thorough
async def test_option_2_replies_to_a_repeated_callback_as_to_the_first(
    ours: Setup, service: ServiceStandIn
) -> None:
    async with ours.worker() as worker:
        handle = await ours.start()
        url = await service.callback_urls.get()
        first = await post(url, prefer="wait=20")
        assert await handle.result() == "the work is done"

        second, other = await post(url), await post(url, {**COMPLETE, "message": "other"})

        assert (first.status_code, second.status_code, other.status_code) == (200, 200, 409)
        assert second.json()["duplicate"]
        assert worker.output.count(BUSINESS_LOGIC) == 1


@pytest.mark.thorough
async def test_option_1_cannot_receive_a_callback_while_its_worker_is_away(
    raw: Setup, service: ServiceStandIn
) -> None:
    async with raw.worker() as worker:
        handle = await raw.start()
        url = await service.callback_urls.get()
        await worker.line("the service has the request")
        await worker.kill()

    with pytest.raises(httpx2.ConnectError):
        await post(url)
    assert await is_running(handle)
    # A service that retries until then is heard.
    async with raw.worker():
        assert (await post(url)).status_code == 200
        assert await handle.result() == "the work is done"


@pytest.mark.thorough
async def test_option_2_accepts_a_callback_while_its_worker_is_away(
    ours: Setup, service: ServiceStandIn, site: Site
) -> None:
    async with ours.worker() as worker:
        handle = await ours.start()
        url = await service.callback_urls.get()
        await worker.line("the service has the request")
        await site.until_submitted()
        await worker.kill()

    assert (await post(url)).status_code == 202
    async with ours.worker():
        assert await handle.result() == "the work is done"


@pytest.mark.thorough
async def test_option_1_lets_a_holder_of_one_token_end_another_workflow(
    raw: Setup, service: ServiceStandIn
) -> None:
    async with raw.worker():
        mine, other = await raw.start(), await raw.start()
        urls = [await service.callback_urls.get() for _ in range(2)]
        (url,) = [url for url in urls if mine.id.encode() in token_in(url)]
        edited = token_in(url).replace(mine.id.encode(), other.id.encode())
        edited = edited.replace(run_of(mine), run_of(other))

        forged = await post(url_with(url, edited), {**COMPLETE, "message": "stolen"})

        assert forged.status_code == 200
        assert await other.result() == "stolen"
        assert await is_running(mine)


@pytest.mark.thorough
async def test_option_2_does_not_know_an_edited_link(ours: Setup, service: ServiceStandIn) -> None:
    async with ours.worker():
        await ours.start()
        url = await service.callback_urls.get()
        middle = len(url) - 10
        other = "A" if url[middle] != "A" else "B"

        assert (await post(f"{url[:middle]}{other}{url[middle + 1 :]}")).status_code == 404


def token_in(url: str) -> bytes:
    return base64.urlsafe_b64decode(parse_qs(urlsplit(url).query)["task_token"][0])


def url_with(url: str, token: bytes) -> str:
    query = urlencode({"task_token": base64.urlsafe_b64encode(token).decode()})
    return urlsplit(url)._replace(query=query).geturl()


def run_of(handle: Handle) -> bytes:
    return (handle.result_run_id or "").encode()
