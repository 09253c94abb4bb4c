"""The connection to Temporal, as the SDK's own configuration describes it."""

from datetime import timedelta
from functools import cache
from typing import Final

from temporalio.client import Client
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.plugin import SimplePlugin
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError

from ringback.domain.errors import ConfigurationError, TemporalUnreachableError

_ADDRESS: Final = "127.0.0.1:7233"
_HEALTH_TIMEOUT: Final = timedelta(seconds=2)


async def connect(*plugins: SimplePlugin, is_lazy: bool = False) -> Client:
    """Return a client for the server that `TEMPORAL_*` or `temporal.toml` names.

    A lazy client connects with its first request, so that a gateway starts, and takes answers,
    while the server is away.

    Raises:
        ConfigurationError: The SDK's configuration cannot be used.
        TemporalUnreachableError: The server does not answer; a lazy client never raises it.
    """
    config = _load_config()
    config.setdefault("target_host", _ADDRESS)
    try:
        return await Client.connect(
            **config, plugins=list(plugins), lazy=is_lazy, runtime=_runtime()
        )
    except RuntimeError as exc:
        msg = f"Temporal does not answer at {config['target_host']}; is it running? ({exc})"
        raise TemporalUnreachableError(msg) from exc


@cache
def _runtime() -> Runtime:
    # The SDK's own log goes to standard output, among what a command prints: errors only.
    quiet = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=quiet)))


def _load_config() -> ClientConnectConfig:
    try:
        return ClientConfig.load_client_connect_config()
    except RuntimeError as exc:
        msg = f"the configuration of the connection to Temporal cannot be used: {exc}"
        raise ConfigurationError(msg) from exc


async def is_reachable(client: Client) -> bool:
    """Tell whether the server of `client` answers."""
    try:
        return await client.service_client.check_health(timeout=_HEALTH_TIMEOUT)
    except (RPCError, RuntimeError):
        return False
