"""Without a tracer, spans cost nothing and record nothing."""

import sys

import pytest
from opentelemetry import trace

from ringback.core.hooks import NO_HOOKS, HooksOfAll
from ringback.core.spans import NO_SPAN, NO_TRACER, find_loaded_span


def test_no_tracer_returns_one_span_for_everything() -> None:
    spans = (
        NO_TRACER.span("deliver", links=("a", None), facts={"ringback.tries": 1}),
        NO_TRACER.request_span("GET", parent=None, link=None),
    )

    assert spans == (NO_SPAN, NO_SPAN)
    assert NO_TRACER.current_traceparent() is None
    assert not NO_TRACER.is_on


def test_span_that_is_not_recorded_takes_everything_and_hides_no_exception() -> None:
    error = ValueError("no")

    NO_SPAN.note({"ringback.tries": 1})
    NO_SPAN.rename("another")
    NO_SPAN.fail("a reason")
    with pytest.raises(ValueError, match="no"), NO_SPAN:
        raise error

    assert NO_SPAN.traceparent is None


def test_several_hooks_have_the_tracer_that_they_are_given() -> None:
    assert HooksOfAll(NO_HOOKS).tracer is NO_TRACER


def test_span_of_opentelemetry_is_found_only_where_it_is_loaded_and_valid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "opentelemetry.trace", raising=False)
    unloaded = find_loaded_span()
    monkeypatch.setitem(sys.modules, "opentelemetry.trace", trace)
    outside = find_loaded_span()
    context = trace.SpanContext(trace_id=7, span_id=5, is_remote=False)
    with trace.use_span(trace.NonRecordingSpan(context)):
        inside = find_loaded_span()

    assert (unloaded, outside, inside) == (None, None, context)
