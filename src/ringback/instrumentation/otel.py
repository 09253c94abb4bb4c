"""Traces: spans of OpenTelemetry, exported over OTLP/HTTP by a thread that nothing waits for."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final, Self

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach, get_value, set_value
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import Attributes

from ringback.core.services import OutageLog, call_caught
from ringback.core.spans import NO_FACTS, NO_SPAN, Fact, Span
from ringback.domain.errors import ConfigurationError

logger = logging.getLogger(__name__)

FLUSH_SECONDS: Final = 5.0
"""How long a program that stops waits for the export of its last spans."""

MOST_LINKS: Final = 16
"""Maximum links of a span. A link costs 9 us of processor time until it is exported, and a commit
under load has a hundred answers; the span of each delivery has its own link."""

_FOLLOWS_LINKS: Final = "ringback-follows-links"
_IS_SAMPLED: Final = "-01"
_ROOT: Final = Context()


class OtelTracer:
    """A `Tracer` that records spans of OpenTelemetry."""

    is_on = True

    def __init__(self, provider: TracerProvider, *, version: str, follows_links: bool) -> None:
        """Record with `provider`.

        `follows_links` records a span without a parent if a span that it is linked to was: so one
        decision, that of the worker, is that of the whole way.
        """
        self._tracer = provider.get_tracer("ringback", version)
        self._follows_links = follows_links

    def span(
        self, name: str, *, links: Iterable[str | None] = (), facts: Mapping[str, Fact] = NO_FACTS
    ) -> Span:
        given = [one for one in links if one is not None]
        sampled = [one for one in given if one.endswith(_IS_SAMPLED)][:MOST_LINKS]
        follows = bool(given) and self._follows_links and not _current().is_valid
        if follows and not sampled:
            return NO_SPAN
        context = set_value(_FOLLOWS_LINKS, value=True) if follows else None
        return _OtelSpan(
            self._tracer.start_span(
                name, context, attributes=facts, links=[Link(to_context(one)) for one in sampled]
            )
        )

    def request_span(
        self, method: str, *, parent: str | None, link: str | None, began: int | None = None
    ) -> Span:
        context = _ROOT
        if parent is not None:
            remote = trace.NonRecordingSpan(to_context(parent))
            context = trace.set_span_in_context(remote, _ROOT)
        links = () if link is None else (Link(to_context(link)),)
        facts = {"http.request.method": method}
        kind = SpanKind.SERVER
        return _OtelSpan(
            self._tracer.start_span(method, context, kind, facts, links, start_time=began)
        )

    def current_traceparent(self) -> str | None:
        return to_traceparent(_current())


def to_context(traceparent: str) -> SpanContext:
    """Return the context of a `traceparent` that `parse_traceparent` returned."""
    return SpanContext(
        int(traceparent[3:35], 16),
        int(traceparent[36:52], 16),
        is_remote=True,
        trace_flags=TraceFlags(int(traceparent[53:], 16)),
    )


def to_traceparent(context: SpanContext) -> str | None:
    """Return a context as a `traceparent`; `None` if its span is not recorded."""
    if not context.trace_flags.sampled:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


def _current() -> SpanContext:
    return trace.get_current_span().get_span_context()


class _OtelSpan(Span):
    __slots__ = ("_span", "_token")

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str | None:  # type: ignore[override]  # - computed where it is needed
        return to_traceparent(self._span.get_span_context())

    def __enter__(self) -> Self:
        self._token = attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        detach(self._token)
        # A cancellation is how tasks are stopped.
        if kind is not None and not issubclass(kind, asyncio.CancelledError):
            self.fail(kind.__name__)
        self._span.end()

    def note(self, facts: Mapping[str, Fact]) -> None:
        self._span.set_attributes(facts)

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def fail(self, reason: str) -> None:
        self._span.set_attribute("error.type", reason)
        # Without a description: it would be the message of an exception.
        self._span.set_status(Status(StatusCode.ERROR))


class _LinkSampler(Sampler):
    """Samples a span that follows a sampled link; `sampler` decides on all others."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def should_sample(  # noqa: PLR0917 - the signature of the SDK
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        if parent_context is not None and get_value(_FOLLOWS_LINKS, parent_context):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return self._sampler.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        return f"LinkSampler({self._sampler.get_description()})"


class _OutageLoggingExporter(SpanExporter):
    """Logs once per outage that spans cannot be exported; they are dropped then."""

    def __init__(self, exporter: SpanExporter) -> None:
        self._exporter = exporter
        self._outages = OutageLog(logger, "export spans")

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = call_caught(self._exporter.export, spans)
        if isinstance(result, Exception) or result is SpanExportResult.FAILURE:
            self._outages.record(RuntimeError("the collector does not accept them"))
            return SpanExportResult.FAILURE
        self._outages.record(None)
        return result

    def shutdown(self) -> None:
        self._exporter.shutdown()


@asynccontextmanager
async def exporting_tracer(
    *, version: str, follows_links: bool, exporter: SpanExporter | None = None
) -> AsyncIterator[OtelTracer]:
    """Export spans for the block, as the variables `OTEL_*` say; then export the last ones.

    Args:
        version: The version of Ringback.
        follows_links: Whether a sampled link samples a span.
        exporter: Replaces the exporter of OTLP in tests.

    Raises:
        ConfigurationError: One of the variables cannot be used.
    """
    # The SDK logs each failed export, with a traceback.
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
    try:
        processor = BatchSpanProcessor(_OutageLoggingExporter(exporter or OTLPSpanExporter()))
        provider = TracerProvider(
            resource=_resource(version),
            shutdown_on_exit=False,
        )
    except ValueError as exc:
        msg = f"a variable OTEL_* of the traces cannot be used: {exc}"
        raise ConfigurationError(msg) from exc
    provider.sampler = _LinkSampler(provider.sampler)
    provider.add_span_processor(processor)
    try:
        yield OtelTracer(provider, version=version, follows_links=follows_links)
    finally:
        # The SDK waits for half a minute; a daemon thread ends with its program.
        flush = threading.Thread(target=provider.shutdown, name="flush of spans", daemon=True)
        flush.start()
        await asyncio.to_thread(flush.join, FLUSH_SECONDS)
        if flush.is_alive():
            logger.warning("last spans not exported: no reply in %g s", FLUSH_SECONDS)


def _resource(version: str) -> Resource:
    found = Resource.create({SERVICE_VERSION: version})
    if str(found.attributes[SERVICE_NAME]).startswith("unknown_service"):
        return found.merge(Resource({SERVICE_NAME: "ringback"}))
    return found
