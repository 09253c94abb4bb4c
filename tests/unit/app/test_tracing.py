"""When a gateway exports traces, and what is wrong with the variables `OTEL_*`."""

import importlib.util

import pytest

from ringback.app.tracing import opened_tracer
from ringback.domain.errors import ConfigurationError

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
HERE = "http://127.0.0.1:4318"


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {ENDPOINT: ""},
        {ENDPOINT: HERE, "OTEL_SDK_DISABLED": "TRUE"},
        {ENDPOINT: HERE, "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_TRACES_SAMPLER": "of another program"},
    ],
)
async def test_gateway_without_an_endpoint_records_nothing(environ: dict[str, str]) -> None:
    async with opened_tracer(environ) as tracer:
        assert not tracer.is_on


@pytest.mark.parametrize("name", [ENDPOINT, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
async def test_gateway_with_an_endpoint_records(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, HERE)

    async with opened_tracer({name: HERE}) as tracer:
        assert tracer.is_on


async def test_missing_extra_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)

    async with opened_tracer({ENDPOINT: HERE}) as tracer:
        assert not tracer.is_on

    assert "install ringback[otel]" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (ENDPOINT, "collector:4318"),
        (ENDPOINT, "ftp://collector"),
        (ENDPOINT, "http://collector:port"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json"),
        ("OTEL_TRACES_EXPORTER", "zipkin"),
        ("OTEL_TRACES_SAMPLER", "always"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0"),
        ("OTEL_BSP_SCHEDULE_DELAY", "soon"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "-1"),
    ],
)
async def test_wrong_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        async with opened_tracer({ENDPOINT: HERE, name: value}):
            pass


@pytest.mark.parametrize("ratio", ["2", "half", "-0.1", ""])
async def test_wrong_ratio_is_named(ratio: str) -> None:
    environ = {
        ENDPOINT: HERE,
        "OTEL_TRACES_SAMPLER": "parentbased_traceidratio",
        "OTEL_TRACES_SAMPLER_ARG": ratio,
    }

    with pytest.raises(ConfigurationError, match="OTEL_TRACES_SAMPLER_ARG"):
        async with opened_tracer(environ):
            pass


async def test_batch_larger_than_the_queue_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {ENDPOINT: HERE, "OTEL_BSP_MAX_QUEUE_SIZE": "10"}
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")

    with pytest.raises(ConfigurationError, match="max_export_batch_size"):
        async with opened_tracer(environ):
            pass
