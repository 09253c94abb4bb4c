"""`gateway_environment`: workflows and their answers, with a real Temporal server."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.worker import Worker

from ringback.app.edges import Edges
from ringback.app.plugin import RingbackPlugin
from ringback.app.system import (
    SystemClock,
    callback_ids,
    event_ids,
    jitter,
    outcome_ids,
    process_name,
)
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.gateway.identity.ways import Cookies, SignInWays
from ringback.store.sql_store import SqlStore
from ringback.temporal.activities import TemporalActivities
from ringback.temporal.connect import check_connection
from ringback.temporal.encoder import Encoder
from ringback.temporal.heartbeats import TemporalHeartbeats
from ringback.temporal.identify import TemporalIdentifier
from ringback.testing.event_signing import read_sources
from ringback.testing.kit_gateway import InlineChecker, KitGateway, new_keyring, opened_gateway
from ringback.testing.senders import Senders
from ringback.testing.temporal_operator import TemporalOperator


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


_BODY_LIMIT: Final = 2 * 1024 * 1024
_POLLS_PER_SECOND: Final = 50


@asynccontextmanager
async def gateway_environment(
    client: Client,
    *,
    sources: Path | str | None = None,
    secrets: Mapping[str, str] | None = None,
) -> AsyncIterator[GatewayTestEnvironment]:
    """Run a gateway with an empty store beside a Temporal server, in this process, for the block.

    No setting, environment variable or `ringback.toml` changes it.

    Args:
        client: A client of the server, without `RingbackPlugin`, with your data converter: for
            example that of `WorkflowEnvironment.start_local`.
        sources: A `ringback.toml` with the sources for `send_event`, as a path or as its text.
        secrets: The variables to which `env:NAME` in it leads; a name without one gets a secret.

    Raises:
        ConfigurationError: The sources are wrong; the message says where.
    """
    clock = SystemClock()
    configured = read_sources(sources, secrets)
    encoder = Encoder(client.data_converter)
    activities = TemporalActivities(client, encoder)

    def make_edges(store: SqlStore, url: str) -> Edges:
        return Edges(
            store=store,
            activities=activities,
            heartbeats=TemporalHeartbeats(client, encoder),
            identifier=TemporalIdentifier(client),
            check_connection=partial(check_connection, client),
            namespace=client.namespace,
            keyring=new_keyring(),
            public_url=url,
            body_limit=_BODY_LIMIT,
            polls_per_second=_POLLS_PER_SECOND,
            clock=clock,
            jitter=jitter,
            verdicts=VerdictWaiter(store, clock),
            owner=process_name(),
            new_callback_id=callback_ids(clock),
            new_outcome_id=outcome_ids(clock),
            new_event_id=event_ids(clock),
            sign_in_ways=SignInWays(cookies=Cookies(url)),
            services=[activities],
            sources=configured,
            results=InlineChecker(),
        )

    async with opened_gateway(make_edges, clock) as gateway:
        yield GatewayTestEnvironment(gateway, client)


def _with_plugin(client: Client, plugin: RingbackPlugin) -> Client:
    config = client.config()
    config["plugins"] = [*config["plugins"], plugin]
    return Client(**config)
