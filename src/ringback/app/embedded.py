"""`run_gateway`: runs the gateway inside your own program."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ringback.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from temporalio.client import Client


@asynccontextmanager
async def run_gateway(
    *, host: str = "127.0.0.1", port: int = 8000, client: "Client | None" = None
) -> AsyncIterator[str]:
    """Run the gateway in this process for the block, and yield its URL.

    It has the settings of `ringback serve`: `RINGBACK_*` in the environment, and `ringback.toml`.
    When the block ends, the gateway stops. Accepted answers are in the store, and the next gateway
    delivers them. Requires `pip install 'ringback[gateway]'`.

    A worker in the same program connects with `RingbackPlugin(url=…)`. On SQLite it finds its API
    key by itself. On PostgreSQL, pass `api_key` or set `RINGBACK_API_KEY`.

    Args:
        host: The address to listen on.
        port: The port to listen on; 0 chooses a free one.
        client: A client of Temporal, without `RingbackPlugin`. By default the gateway uses
            `TEMPORAL_*` or `temporal.toml`, and connects with its first request.

    Raises:
        ConfigurationError: A setting or the port cannot be used, or the gateway is not installed.
        StoreUnavailableError: The store cannot be reached.
    """
    try:
        # The gateway is an extra, and importing `ringback` must stay light.
        from ringback.app.bootstrap import serving_gateway  # noqa: PLC0415 - see above
        from ringback.app.web import bound_socket, url_of  # noqa: PLC0415 - see above
        from ringback.settings import load_settings  # noqa: PLC0415 - see above
    except ModuleNotFoundError as exc:
        msg = f"run_gateway needs {exc.name}; run: pip install 'ringback[gateway]'"
        raise ConfigurationError(msg) from exc
    from ringback.temporal.connect import connect_lazily  # noqa: PLC0415 - see above
    from ringback.temporal.converter import choose_converter  # noqa: PLC0415 - see above

    with bound_socket(host, port) as listening:
        url = url_of(listening)
        settings = load_settings().served_at(url)
        converter = choose_converter(settings.data_converter, None)
        async with serving_gateway(client or await connect_lazily(converter), settings, listening):
            yield url
