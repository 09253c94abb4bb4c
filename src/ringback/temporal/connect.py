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
    # It loads all that a worker needs; a gateway is none.
    from temporalio.plugin import SimplePlugin

_ADDRESS: Final = "127.0.0.1:7233"
_HOST_AND_PORT: Final = re.compile(r"[^\s/]+:\d+")
_HEALTH_TIMEOUT: Final = timedelta(seconds=2)


async def connect(*plugins: "SimplePlugin", address: str | None = None) -> Client:
    """Return a client for the server that `TEMPORAL_*` or `temporal.toml` names.

    With `address`, the server is there, and only the rest comes from the configuration.

    Raises:
        ConfigurationError: The SDK's configuration cannot be used.
        TemporalUnreachableError: The server does not answer.
    """
    config = _load_config(address)
    try:
        return await Client.connect(**config, plugins=list(plugins), runtime=_runtime())
    except RuntimeError as exc:
        msg = f"Temporal does not answer at {config['target_host']}; is it running? ({exc})"
        raise TemporalUnreachableError(msg) from exc


async def connect_lazily(
    data_converter: DataConverter = DataConverter.default, *, address: str | None = None
) -> Client:
    """Return a client that connects with its first request.

    With it a gateway starts, and takes answers, while the server is away. `address` is as in
    `connect`.

    Raises:
        ConfigurationError: The SDK's configuration cannot be used.
    """
    config = _load_config(address)
    return await Client.connect(
        **config, lazy=True, data_converter=data_converter, runtime=_runtime()
    )


@cache
def _runtime() -> Runtime:
    # The SDK's own log goes to standard output, among what a command prints: errors only.
    quiet = TelemetryFilter(core_level="ERROR", other_level="ERROR")
    return Runtime(telemetry=TelemetryConfig(logging=LoggingConfig(filter=quiet)))


def _load_config(given_address: str | None) -> ClientConnectConfig:
    try:
        config = ClientConfig.load_client_connect_config()
    except (RuntimeError, OSError) as exc:
        msg = f"the configuration of the connection to Temporal cannot be used: {exc}"
        raise ConfigurationError(msg) from exc
    if given_address is not None:
        config["target_host"] = given_address
    address = config.setdefault("target_host", _ADDRESS)
    if not _HOST_AND_PORT.fullmatch(address):
        msg = f"TEMPORAL_ADDRESS must be <host>:<port>, not {address!r}"
        raise ConfigurationError(msg)
    return config


async def check_connection(client: Client) -> None:
    """Check that the server of `client` answers, accepts the client and has its namespace.

    Raises:
        TemporalMisconfiguredError: It answers, but rejects the client or lacks the namespace.
        TemporalUnreachableError: It does not answer; the message has the SDK's words.
    """
    request = describe_namespace(client.workflow_service, client.namespace)
    with translated():
        await in_time(request, within=_HEALTH_TIMEOUT)
