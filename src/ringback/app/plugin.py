"""`RingbackPlugin`: connects the workers of a client to a gateway."""

import dataclasses
from collections.abc import Awaitable, Callable
from functools import partial

from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from ringback.worker.activity_function import ActivityFunctionInterceptor


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
        from ringback.client.settings import client_setting  # noqa: PLC0415 - see above
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

        target = find_target(Role.WORKER, url=self._url, api_key=self._api_key)
        identity = worker.config().get("identity") or worker.client.identity
        schemas = partial(generate_schema, converter=worker.client.data_converter)
        async with worker_runtime(
            worker.client, target, identity=identity, generate_schema=schemas
        ) as runtime:
            with runtime_set(runtime):
                await next(worker)


def _with_ringback_passed_through(runner: WorkflowRunner | None) -> WorkflowRunner:
    runner = runner or SandboxedWorkflowRunner()
    if not isinstance(runner, SandboxedWorkflowRunner):
        return runner
    restrictions = runner.restrictions.with_passthrough_modules("ringback")
    return dataclasses.replace(runner, restrictions=restrictions)
