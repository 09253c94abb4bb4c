"""`RingbackPlugin`: what makes a worker able to wait for the outside."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.worker import Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from ringback.worker.activity_function import ActivityFunctionInterceptor

if TYPE_CHECKING:
    from ringback.settings import Settings


class RingbackPlugin(SimplePlugin):
    """Wires Ringback into all workers of a client: `Client.connect(…, plugins=[RingbackPlugin()])`.

    While a worker runs, its activities find the store, the keys and the gateway's address that the
    settings name (`RINGBACK_*`, `ringback.toml`). A worker whose store cannot be reached fails at
    its start, with the reason. The client gets the data converter that the settings name, which
    the gateway uses too.
    """

    def __init__(self, settings: "Settings | None" = None) -> None:
        """Use `settings`; without them, those of the process, read when a worker starts."""
        super().__init__(
            "ringback.RingbackPlugin",
            data_converter=self._choose_converter,
            workflow_runner=_with_ringback_passed_through,
            interceptors=[ActivityFunctionInterceptor()],
        )
        self._settings = settings

    def _choose_converter(self, given: DataConverter | None) -> DataConverter:
        # Heavy, so it is loaded here: importing this module in a file with workflows stays light.
        from ringback.settings import load_settings  # noqa: PLC0415 - see above
        from ringback.temporal.converter import choose_converter  # noqa: PLC0415 - see above

        settings = self._settings or load_settings()
        return choose_converter(settings.data_converter, given)

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:  # noqa: A002 - the SDK's name
        """See the base class.

        Raises:
            ConfigurationError: A setting cannot be used.
            StoreUnavailableError: The store cannot be reached.
        """
        # Heavy, so it is loaded here: importing this module in a file with workflows stays light.
        from ringback.app.compose import worker_runtime  # noqa: PLC0415 - see above
        from ringback.worker.runtime import runtime_set  # noqa: PLC0415 - see above

        identity = worker.config().get("identity") or worker.client.identity
        async with worker_runtime(worker.client, self._settings, identity=identity) as runtime:
            with runtime_set(runtime):
                await next(worker)


def _with_ringback_passed_through(runner: WorkflowRunner | None) -> WorkflowRunner:
    runner = runner or SandboxedWorkflowRunner()
    if not isinstance(runner, SandboxedWorkflowRunner):
        return runner
    restrictions = runner.restrictions.with_passthrough_modules("ringback")
    return dataclasses.replace(runner, restrictions=restrictions)
