"""The connection to Temporal, as the SDK's own configuration describes it."""

from datetime import timedelta
from typing import Final

from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError

from ringback.domain.errors import TemporalUnreachableError

_ADDRESS: Final = "127.0.0.1:7233"
_HEALTH_TIMEOUT: Final = timedelta(seconds=2)


async def connect(*plugins: SimplePlugin, is_lazy: bool = False) -> Client:
    """Return a client for the server that `TEMPORAL_*` or `temporal.toml` names.

    A lazy client connects with its first request, so that a gateway starts, and takes answers,
    while the server is away.

    Raises:
        TemporalUnreachableError: The server does not answer; a lazy client never raises it.
    """
    config = ClientConfig.load_client_connect_config()
    config.setdefault("target_host", _ADDRESS)
    try:
        return await Client.connect(**config, plugins=list(plugins), lazy=is_lazy)
    except RuntimeError as exc:
        msg = f"Temporal does not answer at {config['target_host']}; is it running?"
        raise TemporalUnreachableError(msg) from exc


async def is_reachable(client: Client) -> bool:
    """Tell whether the server of `client` answers."""
    try:
        return await client.service_client.check_health(timeout=_HEALTH_TIMEOUT)
    except (RPCError, RuntimeError):
        return False
