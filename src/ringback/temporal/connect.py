"""The connection to Temporal, as the SDK's own configuration describes it."""

import re
from datetime import timedelta
from functools import cache
from typing import TYPE_CHECKING, Final

from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfig, ClientConnectConfig
from temporalio.runtime import LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter

from ringback.domain.errors import ConfigurationError, TemporalUnreachableError
from ringback.temporal.requests import describe_namespace
from ringback.temporal.rpc import in_time, translated

if TYPE_CHECKING:
    # It loads everything that a worker needs; a gateway does not need it.
    from temporalio.plugin import SimplePlugin

_ADDRESS: Final = "127.0.0.1:7233"
_HOST_AND_PORT: Final = re.compile(r"[^\s/]+:\d+")
_HEALTH_TIMEOUT: Final = timedelta(seconds=2)


async def connect(*plugins: "SimplePlugin", address: str | None = None) -> Client:
    """Connect to the server of `TEMPORAL_*` or `temporal.toml`.

    `address` replaces only the server's address.

    Raises:
        ConfigurationError: The SDK's configuration is invalid.
        TemporalUnreachableError: The server does not reply.
    """
    config = _load_config(address)
    try:
        return await Client.connect(**config, plugins=list(plugins), runtime=_runtime())
    except RuntimeError as exc:
        msg = f"Temporal does not reply at {config['target_host']}; is it running? ({exc})"
        raise TemporalUnreachableError(msg) from exc


async def connect_lazily(
    data_converter: DataConverter = DataConverter.default, *, address: str | None = None
) -> Client:
    """Return a client that connects with its first request.

    So a gateway starts and accepts answers while the server is down. `address` is as in `connect`.

    Raises:
        ConfigurationError: The SDK's configuration is invalid.
    """
    config = _load_config(address)
    return await Client.connect(
        **config, lazy=True, data_converter=data_converter, runtime=_runtime()
    )


@cache
def _runtime() -> Runtime:
    # The SDK logs to standard output, where commands print their results: only errors.
    quiet = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=quiet)))


def _load_config(given_address: str | None) -> ClientConnectConfig:
    try:
        config = ClientConfig.load_client_connect_config()
    except (RuntimeError, OSError) as exc:
        msg = f"the configuration of the connection to Temporal is invalid: {exc}"
        raise ConfigurationError(msg) from exc
    if given_address is not None:
        config["target_host"] = given_address
    address = config.setdefault("target_host", _ADDRESS)
    if not _HOST_AND_PORT.fullmatch(address):
        msg = f"TEMPORAL_ADDRESS must be <host>:<port>, not {address!r}"
        raise ConfigurationError(msg)
    return config


async def check_connection(client: Client) -> None:
    """Check that the server of `client` replies, accepts the client and has its namespace.

    Raises:
        TemporalMisconfiguredError: The server rejects the client or lacks the namespace.
        TemporalUnreachableError: The server does not reply; the message quotes the SDK.
    """
    request = describe_namespace(client.workflow_service, client.namespace)
    with translated():
        await in_time(request, within=_HEALTH_TIMEOUT)
