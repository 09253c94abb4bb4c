"""The two environments of the test kit: without any server, and beside a Temporal server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from temporalio.client import Client
from temporalio.converter import DataConverter

from ringback.app.edges import Edges
from ringback.app.system import (
    SystemClock,
    callback_ids,
    event_ids,
    jitter,
    outcome_ids,
    process_name,
)
from ringback.core.services import Service, task_group
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.gateway.identity.ways import Cookies, SignInWays
from ringback.ports.activities import Activities, Heartbeats, Identifier
from ringback.ports.clock import Clock
from ringback.sources.config import Source
from ringback.store.sql_store import SqlStore
from ringback.temporal.activities import TemporalActivities
from ringback.temporal.connect import check_connection
from ringback.temporal.encoder import Encoder
from ringback.temporal.heartbeats import TemporalHeartbeats
from ringback.temporal.identify import TemporalIdentifier
from ringback.testing.activity_env import ActivityTestEnvironment
from ringback.testing.event_signing import read_sources
from ringback.testing.gateway_env import GatewayTestEnvironment
from ringback.testing.kit_activities import KitActivities, KitIdentifier
from ringback.testing.kit_gateway import InlineChecker, new_keyring, opened_gateway
from ringback.testing.manual_clock import ManualClock

_BODY_LIMIT: Final = 2 * 1024 * 1024
_POLLS_PER_SECOND: Final = 50


@asynccontextmanager
async def activity_environment(
    *,
    data_converter: DataConverter = DataConverter.default,
    sources: Path | str | None = None,
    secrets: Mapping[str, str] | None = None,
) -> AsyncIterator[ActivityTestEnvironment]:
    """Run activities that wait for callbacks, without any server, for the block.

    Args:
        data_converter: That of your workers.
        sources: A `ringback.toml` with the sources for `send_event`, as a path or as its text.
        secrets: The variables to which `env:NAME` in it leads; a name without one gets a secret.

    Raises:
        ConfigurationError: The sources are wrong; the message says where.
        FileNotFoundError: There is no such `ringback.toml`.

    Example:
        >>> async with activity_environment() as env:
        ...     receipt = await env.run(charge, order, answer=Receipt("r-81"))
    """
    clock = ManualClock()
    activities = KitActivities(clock=clock)
    temporal = _Temporal(
        activities=activities,
        heartbeats=activities,
        identifier=KitIdentifier(activities),
        check_connection=_is_reachable,
    )
    make_edges = partial(_edges, temporal, clock, read_sources(sources, secrets))
    async with opened_gateway(make_edges, clock) as gateway, task_group() as group:
        environment = ActivityTestEnvironment(
            gateway, group, clock=clock, activities=activities, data_converter=data_converter
        )
        try:
            yield environment
        finally:
            await environment.stop()


async def _is_reachable() -> None:
    """Do nothing: the fake is always there."""


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
        FileNotFoundError: There is no such `ringback.toml`.
    """
    clock = SystemClock()
    encoder = Encoder(client.data_converter)
    activities = TemporalActivities(client, encoder)
    temporal = _Temporal(
        activities=activities,
        heartbeats=TemporalHeartbeats(client, encoder),
        identifier=TemporalIdentifier(client),
        check_connection=partial(check_connection, client),
        namespace=client.namespace,
        services=(activities,),
        jitter=jitter,
    )
    make_edges = partial(_edges, temporal, clock, read_sources(sources, secrets))
    async with opened_gateway(make_edges, clock) as gateway:
        yield GatewayTestEnvironment(gateway, client)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Temporal:
    """Temporal, real or not."""

    activities: Activities
    heartbeats: Heartbeats
    identifier: Identifier
    check_connection: Callable[[], Awaitable[None]]
    namespace: str = "default"
    services: Sequence[Service] = ()
    jitter: Callable[[], float] = lambda: 1.0


def _edges(  # noqa: PLR0917 - the first three are bound
    temporal: _Temporal, clock: Clock, sources: Mapping[str, Source], store: SqlStore, url: str
) -> Edges:
    return Edges(
        store=store,
        activities=temporal.activities,
        heartbeats=temporal.heartbeats,
        identifier=temporal.identifier,
        check_connection=temporal.check_connection,
        namespace=temporal.namespace,
        keyring=new_keyring(),
        public_url=url,
        body_limit=_BODY_LIMIT,
        polls_per_second=_POLLS_PER_SECOND,
        clock=clock,
        jitter=temporal.jitter,
        verdicts=VerdictWaiter(store, clock),
        owner=process_name(),
        new_callback_id=callback_ids(clock),
        new_outcome_id=outcome_ids(clock),
        new_event_id=event_ids(clock),
        sign_in_ways=SignInWays(cookies=Cookies(url)),
        services=temporal.services,
        sources=sources,
        results=InlineChecker(),
    )
