"""Workflows and their answers, with a real Temporal server."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.worker import Worker

from ringback.app.plugin import RingbackPlugin
from ringback.testing.kit_gateway import KitGateway
from ringback.testing.operators import TemporalOperator
from ringback.testing.senders import Senders


class GatewayTestEnvironment(Senders):
    """A gateway in this process, and a real Temporal server; see `gateway_environment`.

    Attributes:
        client: A client of Temporal with `RingbackPlugin`, for workers and for starting workflows.
        plugin: The plugin, for a client of your own.
        task_queue: A task queue that no other test uses.
    """

    def __init__(self, gateway: KitGateway, client: Client) -> None:
        """Serve `client`; `gateway_environment` creates one."""
        self.gateway = gateway
        self.plugin = RingbackPlugin(url=gateway.url, api_key=gateway.worker_key)
        self.client = _with_plugin(client, self.plugin)
        self.data_converter: DataConverter = client.data_converter
        self.task_queue = f"test-{uuid4()}"
        self._operator = TemporalOperator(client)

    @property
    def operator(self) -> TemporalOperator:
        """What happens in Temporal to the activities."""
        return self._operator

    def _explain(self) -> str:
        return (
            f"; does a worker of the task queue {self.task_queue!r} run the activity? Its log shows"
            " attempts that failed"
        )

    def worker(
        self,
        *,
        workflows: Sequence[type] = (),
        activities: Sequence[Callable[..., Any]] = (),
        **options: Any,
    ) -> Worker:
        """Return a worker of `task_queue`; `options` are those of `temporalio.worker.Worker`.

        Example:
            >>> async with ringback.worker(workflows=[Order], activities=[charge]):
            ...     order = await ringback.client.start_workflow(
            ...         Order.run, 81, id="order-81", task_queue=ringback.task_queue
            ...     )
            ...     await ringback.answer("r-81")
            ...     assert await order.result() == "r-81"
        """
        return Worker(
            self.client,
            task_queue=self.task_queue,
            workflows=workflows,
            activities=activities,
            **options,
        )


def _with_plugin(client: Client, plugin: RingbackPlugin) -> Client:
    config = client.config()
    config["plugins"] = [*config["plugins"], plugin]
    return Client(**config)
