"""The connection to Temporal: the SDK's own, with nothing of Ringback's."""

from functools import cache

from temporalio.client import Client
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter


async def connect(address: str, *, lazily: bool = False) -> Client:
    """Return a client for the server at `address`; one that is lazy connects when it is used."""
    return await Client.connect(address, lazy=lazily, runtime=quiet_runtime())


@cache
def quiet_runtime() -> Runtime:
    """Return what the SDK runs in: outages are the point here, so it need not tell of them."""
    quiet = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=quiet)))
