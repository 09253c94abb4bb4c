"""Traces of real gateways: from the activity to its answer, over a restart, and without secrets."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import httpx2
import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler
from temporalio import activity
from temporalio.client import Client, WorkflowHandle
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from ringback import Callback, wait_for_callback, wait_for_callback_sync
from ringback.domain.callback import State
from tests.acceptance.marks import on_both_stores
from tests.acceptance.programs import free_port
from tests.acceptance.site import Site
from tests.acceptance.test_sources import SECRET, post_event, write_sources
from tests.exported_spans import Collector, ExportedSpan, collecting
from tests.integration.env import GRACE, plugin_for
from tests.integration.workflows import Run, RunActivity
from tests.webhook_receiver import listening

pytestmark = [pytest.mark.server, pytest.mark.processes]

SENDER = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"a secret that signs webhooks....").decode()
PAYLOAD = "what-nobody-else-may-read"


@dataclass
class TracingWorker:
    """A worker and a client of Temporal that trace.

    Attributes:
        client: The client.
        task_queue: The worker's.
        name: The activity that its workflow runs.
        callbacks: The callbacks that its activity submitted.
        tokens: The task tokens of its attempts.
        exporter: Their spans.
    """

    client: Client
    task_queue: str
    name: str
    callbacks: asyncio.Queue[Callback]
    tokens: list[bytes] = field(default_factory=list)
    exporter: InMemorySpanExporter = field(default_factory=InMemorySpanExporter)

    async def start(self) -> WorkflowHandle[Any, Any]:
        return await self.client.start_workflow(
            RunActivity.run, Run(self.name), id=self.task_queue, task_queue=self.task_queue
        )

    async def next(self) -> Callback:
        async with asyncio.timeout(20):
            return await self.callbacks.get()

    @property
    def activity_span(self) -> tuple[str, str]:
        """The trace id and the span id of the activity."""
        found: Sequence[ReadableSpan] = self.exporter.get_finished_spans()
        (span,) = [one for one in found if one.name == f"RunActivity:{self.name}"]
        assert span.context is not None
        return f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"


@asynccontextmanager
async def tracing_worker(
    site: Site, *, name: str = "ask", sampler: Sampler = ALWAYS_ON, notify_url: str | None = None
) -> AsyncIterator[TracingWorker]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    client = await Client.connect(
        site.temporal_address,
        interceptors=[TracingInterceptor(provider.get_tracer("test"))],
        plugins=[plugin_for(site.settings)],
    )
    running = TracingWorker(client, f"traces-{uuid4()}", name, asyncio.Queue(), exporter=exporter)
    loop = asyncio.get_running_loop()

    async def submit(callback: Callback) -> None:
        running.callbacks.put_nowait(callback)

    @activity.defn(name="ask")
    async def ask() -> Any:
        running.tokens.append(activity.info().task_token)
        return await wait_for_callback(submit, object, notify_url=notify_url)

    @activity.defn(name="ask_in_a_thread")
    def ask_in_a_thread() -> Any:
        def submit(callback: Callback) -> None:
            loop.call_soon_threadsafe(running.callbacks.put_nowait, callback)

        return wait_for_callback_sync(submit, object)

    with ThreadPoolExecutor(1) as threads:
        async with Worker(
            client,
            task_queue=running.task_queue,
            workflows=[RunActivity],
            workflow_runner=UnsandboxedWorkflowRunner(),
            activities=[ask, ask_in_a_thread],
            activity_executor=threads,
            graceful_shutdown_timeout=GRACE,
        ):
            yield running


async def answer(url: str, *, trace: tuple[str, str] | None = None) -> httpx2.Response:
    headers = {} if trace is None else {"traceparent": f"00-{trace[0]}-{trace[1]}-01"}
    async with httpx2.AsyncClient(timeout=20) as http:
        return await http.post(url, json={"text": PAYLOAD}, headers=headers)


def one(collector: Collector, name: str) -> ExportedSpan:
    (span,) = collector.named(name)
    return span


@pytest.mark.parametrize("name", ["ask", "ask_in_a_thread"])
async def test_trace_leads_from_the_activity_to_its_answer_and_its_delivery(
    shared_site: Site, name: str
) -> None:
    async with (
        collecting() as collector,
        shared_site.gateway(**collector.environment),
        tracing_worker(shared_site, name=name) as worker,
    ):
        handle = await worker.start()
        callback = await worker.next()
        await answer(callback.url, trace=SENDER)
        await handle.result()
        await collector.until(lambda it: it.named("deliver"))
        activity_span = worker.activity_span

    request, opened = one(collector, "POST /v1/callbacks"), one(collector, "open callback")
    assert (request.trace_id, request.parent_id) == activity_span
    assert (opened.trace_id, opened.parent_id) == (request.trace_id, request.span_id)
    submitted = one(collector, "POST /v1/callbacks/{id}/submitted")
    assert submitted.trace_id == request.trace_id
    answering = one(collector, "POST /c/{link}")
    assert answering.links == [SENDER]
    accepted = one(collector, "accept answers")
    assert accepted.links == [activity_span, (answering.trace_id, answering.span_id)]
    assert accepted.attributes["ringback.accepted"] == 1
    delivered = one(collector, "deliver")
    assert (delivered.links, delivered.parent_id) == ([activity_span], "")
    assert delivered.attributes["ringback.verdict"] == "applied"
    assert delivered.attributes["ringback.callback_id"] == callback.id
    assert delivered.service == "ringback"


@pytest.mark.thorough
@on_both_stores
async def test_links_survive_a_restart_of_all_programs(site: Site) -> None:
    async with site.temporal(), collecting() as collector:
        async with site.gateway(**collector.environment) as first:
            async with tracing_worker(site) as worker:
                handle = await worker.start()
                callback = await worker.next()
                await site.until_submitted()
            await first.kill()
        activity_span, before = worker.activity_span, len(collector.spans)
        async with (
            site.gateway(**collector.environment),
            tracing_worker(site) as later,
        ):
            await answer(callback.url)
            await collector.until(lambda it: it.named("deliver"))
            assert later.exporter.get_finished_spans() == ()
        await site.until(lambda found: found[0].state is State.APPLIED, frozenset(State))

    assert handle.id == worker.task_queue
    after = collector.spans[before:]
    linked = {one.name: one.links for one in after if one.links}
    assert linked == {"accept answers": [activity_span], "deliver": [activity_span]}
    assert "POST /c/{link}" not in {one.name for one in after}


async def test_activity_that_was_sampled_out_has_no_spans_in_the_gateway(
    shared_site: Site,
) -> None:
    async with collecting() as collector:
        async with (
            shared_site.gateway(**collector.environment),
            tracing_worker(shared_site, sampler=ALWAYS_OFF) as worker,
        ):
            handle = await worker.start()
            callback = await worker.next()
            await answer(callback.url)
            await handle.result()
        (stored,) = await shared_site.callbacks()

    assert stored.traceparent is not None
    assert stored.traceparent.endswith("-00")
    names = {one.name for one in collector.spans}
    assert names <= {"GET /v1/whoami", "poll activities"}


async def test_nothing_secret_is_exported_whatever_door_is_used(
    shared_site: Site, tmp_path: Path
) -> None:
    site = shared_site
    async with listening() as receiver, collecting() as collector:
        environment = {
            **collector.environment,
            "RINGBACK_SOURCES_FILE": write_sources(tmp_path),
            "CI_SECRET": SECRET,
            "RINGBACK_WEBHOOK_SECRETS": WEBHOOK_SECRET,
            "RINGBACK_ALLOW_PRIVATE_WEBHOOKS": "true",
            # FastAPI would export the path of each request.
            "FASTAPI_OTEL_AUTO_CONFIGURE": "true",
        }
        async with (
            site.gateway(**environment),
            tracing_worker(site, notify_url=receiver.url) as worker,
            httpx2.AsyncClient(timeout=20, base_url=site.gateway_url) as http,
        ):
            handle = await worker.start()
            callback = await worker.next()
            path = urlsplit(callback.url).path
            key = {"authorization": f"Bearer {site.worker_key}"}
            replies = {
                "page": await http.get(path),
                "status": await http.get(path, headers={"accept": "application/json"}),
                "unknown link": await http.post(f"{path}-forged", json=PAYLOAD),
                "malformed": await http.post(path, content=f'{{"{PAYLOAD}'.encode()),
                "wrong method": await http.put(path, json=PAYLOAD),
                "no route": await http.get(f"/elsewhere{path}?token={PAYLOAD}"),
                "unknown key": await http.get(
                    "/v1/whoami", headers={"authorization": f"Bearer rbk_{PAYLOAD}"}
                ),
                "wrong role": await http.get(f"/v1/callbacks/{callback.id}", headers=key),
                "event": await post_event(site.gateway_url),
                "refused event": await http.post("/in/ci", json={"text": PAYLOAD}),
                "answer": await answer(callback.url, trace=SENDER),
                "other answer": await http.post(path, json={"text": f"not {PAYLOAD}"}),
            }
            await handle.result()
            webhook = await receiver.next()
            await collector.until(lambda it: it.named("send webhook") and it.named("deliver"))
        raw = collector.raw

    statuses = {name: one.status_code for name, one in replies.items()}
    assert statuses == {
        "page": 200,
        "status": 200,
        "unknown link": 404,
        "malformed": 400,
        "wrong method": 405,
        "no route": 404,
        "unknown key": 401,
        "wrong role": 403,
        "event": 200,
        "refused event": 401,
        "answer": 202,
        "other answer": 409,
    }
    names = {one.name for one in collector.spans}
    assert names >= {
        *("GET /c/{link}", "POST /c/{link}", "GET /v1/whoami", "GET", "POST /in/{source}"),
        *("store event", "accept answers", "deliver", "send webhook", "open callback"),
    }
    link = urlsplit(callback.url).path.removeprefix("/c/")
    (token,) = worker.tokens
    secrets = {
        *(link, link[: len(link) // 2], link[-20:], callback.url),
        *(PAYLOAD, site.worker_key, SECRET, WEBHOOK_SECRET, "hush", "elsewhere"),
        *(base64.b64encode(token).decode(), token.hex()),
    }
    assert [one for one in secrets if one.encode() in raw] == []
    assert token not in raw
    sent = {one.span_id for one in collector.named("send webhook")}
    assert webhook.headers["traceparent"].split("-")[2] in sent
    assert all(one.links == [worker.activity_span] for one in collector.named("send webhook"))


async def test_collector_that_is_away_costs_a_gateway_nothing_but_a_log_line(
    shared_site: Site,
) -> None:
    away: dict[str, Any] = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "1",
    }
    async with (
        shared_site.gateway(**away) as gateway,
        tracing_worker(shared_site) as worker,
    ):
        handle = await worker.start()
        callback = await worker.next()
        reply = await answer(callback.url)
        await handle.result()
        await gateway.line("cannot export spans")
        began = time.monotonic()
        await gateway.interrupt()
        took = time.monotonic() - began

    assert reply.status_code == 202
    assert gateway.process.returncode == 0
    assert took < 10
    assert gateway.output.count("cannot export spans") == 1
    assert "Traceback" not in gateway.output


@pytest.mark.thorough
async def test_traceparent_that_is_garbage_is_ignored(shared_site: Site) -> None:
    garbage = {"traceparent": f"00-{'0' * 32}-{PAYLOAD}-01"}
    async with (
        collecting() as collector,
        shared_site.gateway(**collector.environment),
        tracing_worker(shared_site) as worker,
        httpx2.AsyncClient(timeout=20) as http,
    ):
        handle = await worker.start()
        callback = await worker.next()
        reply = await http.post(callback.url, json=1, headers=garbage)
        await handle.result()
        await collector.until(lambda it: it.named("deliver"))

    assert reply.status_code == 202
    assert collector.named("POST /c/{link}") == []
    assert one(collector, "accept answers").links == [worker.activity_span]
    assert PAYLOAD.encode() not in collector.raw


async def test_log_lines_within_a_span_name_it(shared_site: Site) -> None:
    async with (
        collecting() as collector,
        shared_site.gateway(**collector.environment, RINGBACK_LOG="json") as gateway,
        tracing_worker(shared_site) as worker,
    ):
        handle = await worker.start()
        await answer((await worker.next()).url)
        await handle.result()
        await collector.until(lambda it: it.named("deliver"))
        logged = json.loads(await gateway.line("answers accepted"))

    span = one(collector, "accept answers")
    assert (logged["trace_id"], logged["span_id"]) == (span.trace_id, span.span_id)
