"""Spans of requests: which have one, what it is called, and what it says."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from ringback.core.spans import NoTracer, Span
from ringback.gateway.request_spans import RequestSpans
from tests.fake_edges import BASE
from tests.unit.domain.test_trace_context import VALID
from tests.unit.gateway.conftest import HouseWithCallback


@dataclass
class RecordedSpan(Span):
    """What was said about a request."""

    name: str
    said: dict[str, Any] = field(default_factory=dict)
    why: str | None = None

    def note(self, facts: Any) -> None:
        self.said |= facts

    def rename(self, name: str) -> None:
        self.name = name

    def fail(self, reason: str) -> None:
        self.why = reason


@dataclass
class Recorder(NoTracer):
    """Records the spans of requests."""

    spans: list[RecordedSpan] = field(default_factory=list)

    def request_span(self, *given: Any, **options: Any) -> Span:
        self.spans.append(RecordedSpan(given[0], {"given": options}))
        return self.spans[-1]


@pytest.fixture
def tracer() -> Recorder:
    return Recorder()


def client(app: ASGIApp, tracer: Recorder) -> httpx2.AsyncClient:
    traced = RequestSpans(app, tracer=tracer)
    transport = httpx2.ASGITransport(app=traced, raise_app_exceptions=False)
    return httpx2.AsyncClient(transport=transport, base_url=BASE)


@pytest.fixture
async def http(house: HouseWithCallback, tracer: Recorder) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(house.app, tracer) as http:
        yield http


async def test_answer_has_no_span_if_it_is_accepted_and_its_sender_does_not_trace(
    house: HouseWithCallback, http: httpx2.AsyncClient, tracer: Recorder
) -> None:
    reply = await http.post(house.path(), json="yes")

    assert reply.status_code == 202
    assert tracer.spans == []


async def test_refused_answer_has_a_span_that_began_with_the_request(
    house: HouseWithCallback, http: httpx2.AsyncClient, tracer: Recorder
) -> None:
    await http.post(house.path() + "-forged", json="yes")

    (span,) = tracer.spans
    assert span.name == "POST /c/{link}"
    assert span.said.pop("given")["began"] > 0
    assert span.said == {"http.response.status_code": 404, "http.route": "/c/{link}"}


@pytest.mark.parametrize(
    ("path", "parent", "link"), [("/v1/whoami", VALID, None), ("/c/link", None, VALID)]
)
async def test_client_with_a_key_is_the_parent_and_a_stranger_is_linked(
    http: httpx2.AsyncClient, tracer: Recorder, path: str, parent: str | None, link: str | None
) -> None:
    await http.get(path, headers={"traceparent": VALID})

    assert tracer.spans[0].said["given"] == {"parent": parent, "link": link}


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/c/a-link", "GET /c/{link}"),
        ("POST", "/in/shop", "POST /in/{source}"),
        ("POST", "/v1/callbacks", "POST /v1/callbacks"),
        ("POST", "/v1/callbacks/cb_1/submitted", "POST /v1/callbacks/{id}/submitted"),
        ("GET", "/v1/callbacks/cb_1/audit", "GET /v1/callbacks/{id}/audit"),
        ("GET", "/no/such/route", "GET"),
        ("BREW", "/c/a-link", "_OTHER"),
    ],
)
async def test_span_is_named_by_its_route(
    http: httpx2.AsyncClient, tracer: Recorder, method: str, path: str, name: str
) -> None:
    await http.request(method, path)

    assert tracer.spans[0].name.startswith(name)
    assert "a-link" not in str(tracer.spans)


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_probes_have_no_spans(http: httpx2.AsyncClient, tracer: Recorder, path: str) -> None:
    await http.get(path)

    assert tracer.spans == []


@pytest.mark.parametrize("path", ["/c/a-link", "/elsewhere"])
async def test_request_that_breaks_is_marked_as_failed(tracer: Recorder, path: str) -> None:
    async def broken(_: Scope, __: Receive, ___: Send) -> None:
        msg = "a bug"
        raise RuntimeError(msg)

    async with client(broken, tracer) as http:
        await http.post(path)

    (span,) = tracer.spans
    assert (span.why, span.said["http.response.status_code"]) == ("500", 500)
