"""Spans: the parts of a gateway's work that traces show; the tracer of a program records them."""

import re
import sys
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Protocol, Self, TypeAlias

Fact: TypeAlias = str | int | bool
"""A fact about a span: an id, a name or a number; never a link, a token or a payload."""

NO_FACTS: Final[Mapping[str, Fact]] = {}


class Span:
    """A part of the work, from the begin of its `with` block to the end; this one is not recorded.

    It is the current span of the block: spans that begin there are its children, and log lines
    name it. An exception that leaves the block is recorded by its type alone, since its message may
    contain what a trace must not.

    Attributes:
        traceparent: The span as a `traceparent` header; `None` if it is not recorded.
    """

    traceparent: str | None = None

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End."""

    def note(self, facts: Mapping[str, Fact]) -> None:
        """Add facts."""

    def rename(self, name: str) -> None:
        """Change the name: what a request does is known only after its route was found."""

    def fail(self, reason: str) -> None:
        """Mark the span as failed; the reason is one of few, such as a status or a class."""


class Tracer(Protocol):
    """Records spans. Its methods are called in the event loop: they return at once, never raising.

    Attributes:
        is_on: Whether any span is recorded.
    """

    is_on: bool

    def span(
        self, name: str, *, links: Iterable[str | None] = (), facts: Mapping[str, Fact] = NO_FACTS
    ) -> Span:
        """Return the span of a part of the work, a child of the current span if there is one.

        Args:
            name: What is done, such as `deliver`; one of few.
            links: The trace contexts that this work belongs to, such as that of the activity that
                opened a callback days ago. Without a current span it is recorded if one of their
                spans was, as a child would be.
            facts: Ids, names and numbers; no links, no tokens, no payloads.
        """
        ...

    def request_span(
        self, method: str, *, parent: str | None, link: str | None, began: int | None = None
    ) -> Span:
        """Return the span of an HTTP request.

        Args:
            method: The method of HTTP.
            parent: The trace context of a client with an API key: the span is its child.
            link: The trace context of any other client: the span is linked to it.
            began: When the request began, in nanoseconds since 1970; without it, it begins now.
        """
        ...

    def current_traceparent(self) -> str | None:
        """Return the trace context of the current span; `None` if it is not recorded."""
        ...


class NoTracer:
    """Records nothing."""

    is_on = False

    def span(self, *_: object, **__: object) -> Span:  # noqa: D102 - `Tracer` documents it
        return NO_SPAN

    def request_span(self, *_: object, **__: object) -> Span:  # noqa: D102 - `Tracer` documents it
        return NO_SPAN

    def current_traceparent(self) -> str | None:  # noqa: D102 - `Tracer` documents it
        return None


NO_SPAN: Final = Span()
NO_TRACER: Final = NoTracer()


def find_loaded_span() -> Any | None:
    """Return the context of the current span of OpenTelemetry; `None` if there is none.

    A program that traces has loaded OpenTelemetry; no other needs to have it installed.
    """
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None
    span = trace.get_current_span().get_span_context()
    return span if span.is_valid else None


_FORM: Final = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    r"(?P<more>-.*)?"
)
_LONGEST: Final = 256
_INVALID_VERSION: Final = "ff"
_SAMPLED: Final = 1


def parse_traceparent(text: str | None) -> str | None:
    """Return a `traceparent` header in the form of version 00; `None` if it is invalid.

    Total: it never raises. Of a later version, it keeps what version 00 defines. The result has 55
    characters, and the only flag is whether the span is sampled.
    """
    found = None if text is None or len(text) > _LONGEST else _FORM.fullmatch(text)
    if found is None or found["version"] == _INVALID_VERSION:
        return None
    if found["version"] == "00" and found["more"] is not None:
        return None
    if not int(found["trace"], 16) or not int(found["span"], 16):
        return None
    return f"00-{found['trace']}-{found['span']}-{int(found['flags'], 16) & _SAMPLED:02x}"
