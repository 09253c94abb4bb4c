"""What a program adds: `RingbackPlugin` connects workers to a gateway, `run_gateway` runs one."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from ringback.domain.errors import (
    ConfigurationError,
    GatewayRefusedError,
    GatewayUnavailableError,
)
from ringback.worker.activity_function import ActivityFunctionInterceptor

if TYPE_CHECKING:
    from temporalio.client import Client


class RingbackPlugin(SimplePlugin):
    """Adds Ringback to all workers of a client: `Client.connect(…, plugins=[RingbackPlugin()])`.

    Activities of these workers open their callbacks at the gateway. A worker fails at its start,
    with an error that says what to do, if the gateway cannot be reached, rejects the key, or serves
    another namespace. The client gets the data converter of `RINGBACK_DATA_CONVERTER`, which the
    gateway uses too.
    """

    def __init__(self, *, url: str | None = None, api_key: str | None = None) -> None:
        """Use the gateway at `url` with an API key of the role `worker`.

        The defaults are `RINGBACK_URL`, and `RINGBACK_API_KEY` or `RINGBACK_API_KEY_FILE`. Without
        those, it is the gateway on this machine, with the key that the gateway created.
        """
        super().__init__(
            "ringback.RingbackPlugin",
            data_converter=self._choose_converter,
            workflow_runner=_with_ringback_passed_through,
            interceptors=[ActivityFunctionInterceptor()],
        )
        self._url = url
        self._api_key = api_key

    def _choose_converter(self, given: DataConverter | None) -> DataConverter:
        # Imported here so that importing this module in a file with workflows stays fast.
        from ringback.client.target import client_setting  # noqa: PLC0415 - see above
        from ringback.temporal.converter import choose_converter  # noqa: PLC0415 - see above

        return choose_converter(client_setting("data_converter"), given)

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:  # noqa: A002 - the SDK's name
        """Run the worker with a connection to its gateway.

        Raises:
            ConfigurationError: A setting is wrong, or the gateway serves another namespace.
            GatewayUnavailableError: The gateway cannot be reached.
            GatewayRefusedError: The gateway rejects the API key.
        """
        # Imported here so that importing this module in a file with workflows stays fast.
        from ringback.client.target import find_target  # noqa: PLC0415 - see above
        from ringback.domain.api_key import Role  # noqa: PLC0415 - see above
        from ringback.result_schema.generate import generate_schema  # noqa: PLC0415 - see above
        from ringback.worker.gateway_runtime import worker_runtime  # noqa: PLC0415 - see above
        from ringback.worker.runtime import runtime_set  # noqa: PLC0415 - see above

        async with AsyncExitStack() as connected:
            try:
                target = find_target(Role.WORKER, url=self._url, api_key=self._api_key)
                identity = worker.config().get("identity") or worker.client.identity
                schemas = partial(generate_schema, converter=worker.client.data_converter)
                runtime = await connected.enter_async_context(
                    worker_runtime(
                        worker.client, target, identity=identity, generate_schema=schemas
                    )
                )
            except (ConfigurationError, GatewayUnavailableError, GatewayRefusedError):
                await _end_before_start(next(worker))
                raise
            with runtime_set(runtime):
                await next(worker)


async def _end_before_start(run: Awaitable[None]) -> None:
    """Let `async with worker` end: it waits for the end of `run`, also if that never began.

    The worker polls nothing: `run` is canceled while it checks its namespace.
    """
    task = asyncio.ensure_future(run)
    # A task that is canceled before its first step never reaches the worker.
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])


def _with_ringback_passed_through(runner: WorkflowRunner | None) -> WorkflowRunner:
    runner = runner or SandboxedWorkflowRunner()
    if not isinstance(runner, SandboxedWorkflowRunner):
        return runner
    restrictions = runner.restrictions.with_passthrough_modules("ringback")
    return dataclasses.replace(runner, restrictions=restrictions)


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
