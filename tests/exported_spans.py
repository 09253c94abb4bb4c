"""Spans that a gateway exports over OTLP/HTTP to a real receiver."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.webhook_receiver import Receiver, listening

_LIMIT_SECONDS = 30


@dataclass(frozen=True)
class ExportedSpan:
    """A span as it was exported.

    Attributes:
        name: Its name.
        trace_id: In hexadecimal digits, as all ids.
        span_id: Its id.
        parent_id: The id of its parent; empty without one.
        links: Trace id and span id of each link.
        attributes: Its attributes.
        service: The name of the service.
    """

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    links: Sequence[tuple[str, str]]
    attributes: dict[str, Any]
    service: str


@dataclass
class Collector:
    """Receives spans."""

    receiver: Receiver

    @property
    def environment(self) -> dict[str, Any]:
        """The environment of a gateway that exports to it at once."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{self.receiver.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }

    @property
    def raw(self) -> bytes:
        """Every byte that was received."""
        return b"".join(one.body for one in self.receiver.got)

    @property
    def spans(self) -> list[ExportedSpan]:
        """All spans, in the order of their end."""
        return [
            span
            for one in self.receiver.got
            if one.line.startswith("POST /v1/traces ")
            for span in _decode(one.body)
        ]

    def named(self, name: str) -> list[ExportedSpan]:
        """Return the spans with this name."""
        return [one for one in self.spans if one.name == name]

    async def until(self, holds: Callable[["Collector"], object]) -> None:
        """Wait until what was received so far `holds`."""
        async with asyncio.timeout(_LIMIT_SECONDS):
            while not holds(self):
                await self.receiver.next()


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Run a collector for the block."""
    async with listening() as receiver:
        yield Collector(receiver)


def _decode(body: bytes) -> list[ExportedSpan]:
    return [
        ExportedSpan(
            span.name,
            span.trace_id.hex(),
            span.span_id.hex(),
            span.parent_span_id.hex(),
            [(link.trace_id.hex(), link.span_id.hex()) for link in span.links],
            _values(span.attributes),
            _values(of_service.resource.attributes)["service.name"],
        )
        for of_service in ExportTraceServiceRequest.FromString(body).resource_spans
        for of_scope in of_service.scope_spans
        for span in of_scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value"), None) for one in attributes}
