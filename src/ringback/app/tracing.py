"""Whether a gateway exports traces: decided by the standard variables `OTEL_*`."""

import importlib.util
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

import ringback
from ringback.core.spans import NO_TRACER, Tracer
from ringback.domain.errors import ConfigurationError

logger = logging.getLogger(__name__)

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_EXPORTER: Final = "opentelemetry.exporter.otlp.proto.http.trace_exporter"
_PARENT_BASED: Final = frozenset({
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
})
_SAMPLERS: Final = _PARENT_BASED | {"always_on", "always_off", "traceidratio"}
_DEFAULT_SAMPLER: Final = "parentbased_always_on"
_POSITIVE: Final = (
    *("OTEL_EXPORTER_OTLP_TIMEOUT", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
    *("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE"),
    *("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_EXPORT_TIMEOUT"),
)


@asynccontextmanager
async def opened_tracer(environ: Mapping[str, str]) -> AsyncIterator[Tracer]:
    """Return the tracer of a gateway for the block; it records only if there is an endpoint.

    Raises:
        ConfigurationError: A variable `OTEL_*` cannot be used.
    """
    if not is_wanted(environ):
        yield NO_TRACER
        return
    check(environ)
    if not _is_installed():
        logger.warning("traces not exported: install ringback[otel], or unset %s", _ENDPOINTS[1])
        yield NO_TRACER
        return
    from ringback.instrumentation.otel import exporting_tracer  # noqa: PLC0415 - optional, slow to load

    follows_links = _sampler(environ) in _PARENT_BASED
    async with exporting_tracer(version=ringback.__version__, follows_links=follows_links) as one:
        logger.info("traces exported", extra={"sampler": _sampler(environ)})
        yield one


def _is_installed() -> bool:
    try:
        return importlib.util.find_spec(_EXPORTER) is not None
    except ModuleNotFoundError:
        return False


def is_wanted(environ: Mapping[str, str]) -> bool:
    """Return whether the variables ask for traces over OTLP."""
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() == "none":
        return False
    return any(environ.get(name, "").strip() for name in _ENDPOINTS)


def check(environ: Mapping[str, str]) -> None:
    """Check the variables that OpenTelemetry would ignore or that would fail at each export.

    Raises:
        ConfigurationError: One of them cannot be used; the message names it.
    """
    problems = (
        _endpoint_problem(environ),
        _protocol_problem(environ),
        _exporter_problem(environ),
        _sampler_problem(environ),
        *(_number_problem(environ, name) for name in _POSITIVE),
    )
    found = "; ".join(one for one in problems if one is not None)
    if found:
        raise ConfigurationError(found)


def _endpoint_problem(environ: Mapping[str, str]) -> str | None:
    for name in _ENDPOINTS:
        text = environ.get(name, "").strip()
        try:
            url = urlsplit(text)
            is_usable = url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
        except ValueError:
            is_usable = False
        if text and not is_usable:
            return f"{name} must be a URL such as http://collector:4318"
    return None


def _protocol_problem(environ: Mapping[str, str]) -> str | None:
    for name in _PROTOCOLS:
        if environ.get(name, "http/protobuf") not in {"", "http/protobuf"}:
            return f"{name}: only http/protobuf is supported; its port is normally 4318"
    return None


def _exporter_problem(environ: Mapping[str, str]) -> str | None:
    if environ.get("OTEL_TRACES_EXPORTER", "otlp").strip().lower() in {"", "otlp"}:
        return None
    return "OTEL_TRACES_EXPORTER: only otlp and none are supported"


def _sampler(environ: Mapping[str, str]) -> str:
    return environ.get("OTEL_TRACES_SAMPLER", _DEFAULT_SAMPLER).strip().lower()


def _sampler_problem(environ: Mapping[str, str]) -> str | None:
    name = _sampler(environ)
    if name not in _SAMPLERS:
        return f"OTEL_TRACES_SAMPLER: use one of {', '.join(sorted(_SAMPLERS))}"
    if not name.endswith("traceidratio"):
        return None
    ratio = _number(environ.get("OTEL_TRACES_SAMPLER_ARG", "1"))
    if ratio is None or not 0 <= ratio <= 1:
        return "OTEL_TRACES_SAMPLER_ARG must be a number from 0 to 1"
    return None


def _number_problem(environ: Mapping[str, str], name: str) -> str | None:
    text = environ.get(name)
    number = 1 if text is None else _number(text)
    return f"{name} must be a number above 0" if number is None or number <= 0 else None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
