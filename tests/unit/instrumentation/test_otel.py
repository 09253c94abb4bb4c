"""Spans of OpenTelemetry: their parents, their links, and what is left out."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind, StatusCode

from ringback.instrumentation import otel
from ringback.instrumentation.otel import MOST_LINKS, OtelTracer, exporting_tracer
from tests.unit.domain.test_trace_context import SPAN, TRACE, VALID

UNSAMPLED = f"00-{TRACE}-{SPAN}-00"
OTHER = f"00-{TRACE}-00f067aa0ba902b7-01"


@dataclass
class Exporter(SpanExporter):
    """Keeps the spans; or fails, while it is away."""

    spans: list[ReadableSpan] = field(default_factory=list)
    is_away: bool = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        if self.is_away:
            msg = "no connection to https://user:hush@collector"
            raise ConnectionError(msg)
        self.spans.extend(spans)
        return SpanExportResult.SUCCESS


@pytest.fixture
def exporter() -> Exporter:
    return Exporter()


def opened(exporter: Exporter, **options: bool) -> AbstractAsyncContextManager[OtelTracer]:
    follows_links = options.get("follows_links", True)
    return exporting_tracer(version="1", follows_links=follows_links, exporter=exporter)


@asynccontextmanager
async def ratio_of_zero(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[OtelTracer]:
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    monkeypatch.setenv("OTEL_TRACES_SAMPLER_ARG", "0")
    async with opened(exporter) as tracer:
        yield tracer


def link_ids(span: ReadableSpan) -> list[str]:
    return [f"{one.context.span_id:016x}" for one in span.links]


async def test_span_links_to_the_contexts_of_other_days(exporter: Exporter) -> None:
    async with opened(exporter) as tracer:
        with tracer.span("deliver", links=(VALID, None, OTHER), facts={"ringback.tries": 2}):
            pass

    (span,) = exporter.spans
    assert (span.name, span.parent, dict(span.attributes or {})) == (
        "deliver",
        None,
        {"ringback.tries": 2},
    )
    assert link_ids(span) == [SPAN, "00f067aa0ba902b7"]
    assert {f"{one.context.trace_id:032x}" for one in span.links} == {TRACE}


async def test_span_within_another_is_its_child(exporter: Exporter) -> None:
    async with opened(exporter) as tracer:
        with tracer.span("request") as outer, tracer.span("open callback", links=(UNSAMPLED,)):
            current = tracer.current_traceparent()
            assert current != outer.traceparent

    child, parent = exporter.spans
    assert child.parent is not None
    assert parent.context is not None
    assert child.parent.span_id == parent.context.span_id
    assert tracer.current_traceparent() is None


async def test_sampled_link_samples_its_span_whatever_the_ratio_is(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with ratio_of_zero(exporter, monkeypatch) as tracer:
        with tracer.span("deliver", links=(UNSAMPLED, VALID)):
            pass
        with tracer.span("deliver"):
            assert tracer.current_traceparent() is None

    (span,) = exporter.spans
    assert link_ids(span) == [SPAN]


async def test_span_of_an_activity_that_was_sampled_out_is_not_recorded(exporter: Exporter) -> None:
    async with opened(exporter) as tracer:
        with tracer.span("deliver", links=(UNSAMPLED,)) as span:
            span.note({"ringback.verdict": "applied"})
            assert span.traceparent is None

    assert exporter.spans == []


async def test_other_samplers_decide_without_links(exporter: Exporter) -> None:
    async with opened(exporter, follows_links=False) as tracer:
        with tracer.span("deliver", links=(UNSAMPLED,)):
            pass

    assert [one.name for one in exporter.spans] == ["deliver"]


async def test_request_is_a_child_of_a_client_with_a_key(exporter: Exporter) -> None:
    async with opened(exporter) as tracer:
        with tracer.request_span("POST", parent=VALID, link=None):
            pass
        with tracer.request_span("POST", parent=UNSAMPLED, link=None):
            pass

    (span,) = exporter.spans
    assert span.kind is SpanKind.SERVER
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}-{span.parent.span_id:016x}" == f"{TRACE}-{SPAN}"


async def test_stranger_is_linked_and_does_not_decide_what_is_recorded(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(exporter) as tracer:
        with tracer.request_span("POST", parent=None, link=UNSAMPLED):
            pass
    async with ratio_of_zero(exporter, monkeypatch) as tracer:
        with tracer.request_span("POST", parent=None, link=VALID):
            pass

    (span,) = exporter.spans
    assert (span.parent, link_ids(span)) == (None, [SPAN])


async def test_error_is_recorded_by_its_type_alone(exporter: Exporter) -> None:
    secret = ValueError("hush")
    async with opened(exporter) as tracer:
        with pytest.raises(ValueError, match="hush"), tracer.span("deliver"):
            raise secret
        with pytest.raises(asyncio.CancelledError), tracer.span("poll activities"):
            raise asyncio.CancelledError

    failed, canceled = exporter.spans
    assert failed.status.status_code is StatusCode.ERROR
    assert (failed.status.description, list(failed.events)) == (None, [])
    assert dict(failed.attributes or {}) == {"error.type": "ValueError"}
    assert canceled.status.status_code is StatusCode.UNSET
    assert "hush" not in "".join(one.to_json() for one in exporter.spans)


async def test_commit_of_many_answers_links_to_the_first_of_them(exporter: Exporter) -> None:
    traceparents = [f"00-{TRACE}-{number:016x}-01" for number in range(1, 257)]

    async with opened(exporter) as tracer:
        with tracer.span("accept answers", links=traceparents):
            pass

    assert link_ids(exporter.spans[0]) == [one[36:52] for one in traceparents[:MOST_LINKS]]


async def test_collector_that_is_away_is_logged_once_without_its_url(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "1")
    exporter.is_away = True

    async with opened(exporter) as tracer:
        for _ in range(3):
            with tracer.span("deliver"):
                pass

    assert [one.levelname for one in caplog.records] == ["WARNING"]
    assert "cannot export spans" in caplog.text
    assert "hush" not in caplog.text


async def test_program_stops_although_the_collector_hangs(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    has_ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Hanging(Exporter):
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            asyncio.run_coroutine_threadsafe(has_ended.wait(), loop).result()
            return super().export(spans)

    monkeypatch.setattr(otel, "FLUSH_SECONDS", 0.05)
    caplog.set_level(logging.WARNING)
    async with opened(Hanging()) as tracer:
        with tracer.span("deliver"):
            pass
    has_ended.set()

    assert "last spans not exported" in caplog.text


@pytest.mark.parametrize(
    ("name", "shown"), [(None, "ringback"), ("billing-gateway", "billing-gateway")]
)
async def test_service_name_is_ringback_or_that_of_the_environment(
    exporter: Exporter, monkeypatch: pytest.MonkeyPatch, name: str | None, shown: str
) -> None:
    if name is not None:
        monkeypatch.setenv("OTEL_SERVICE_NAME", name)

    async with opened(exporter) as tracer:
        with tracer.span("deliver"):
            pass

    attributes = exporter.spans[0].resource.attributes
    assert (attributes["service.name"], attributes["service.version"]) == (shown, "1")
