"""The connection to Temporal, by the SDK alone."""

from functools import cache

from temporalio.client import Client
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter


async def connect(address: str, *, lazily: bool = False) -> Client:
    """Return a client for the server at `address`; a lazy one connects on first use."""
    return await Client.connect(address, lazy=lazily, runtime=quiet_runtime())


@cache
def quiet_runtime() -> Runtime:
    """Return an SDK runtime that logs errors only: outages are expected here."""
    quiet = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=quiet)))
