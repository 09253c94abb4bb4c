"""Runs programs: builds a gateway from settings and serves it; runs workers."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

from fastapi import FastAPI
from temporalio.client import Client

import ringback
from ringback.app.connections import http_limits, raise_descriptor_limit
from ringback.app.container import Parts
from ringback.app.credentials import (
    OfferedSecrets,
    ensure_local_keys,
    load_or_create_keyring,
    opened_sender,
)
from ringback.app.edges import Edges, build_body_encryption
from ringback.app.gateway_app import build_app
from ringback.app.metrics import MetricsPage, serving_metrics
from ringback.app.notifiers import Notifiers, opened_notifiers
from ringback.app.program import freeze_objects
from ringback.app.queues import build_consumers
from ringback.app.sign_in import build_sign_in_ways, session_rules
from ringback.app.source_files import config_file, fetch, load_all_sources
from ringback.app.stores import existing_store, opened_store
from ringback.app.system import (
    SystemClock,
    callback_ids,
    event_ids,
    jitter,
    outcome_ids,
    process_name,
)
from ringback.app.tracing import opened_tracer
from ringback.app.web import served
from ringback.core.hooks import NO_HOOKS, Hooks, HooksOfAll
from ringback.core.services import run_services, task_group
from ringback.core.spans import NO_TRACER, Tracer
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.core.webhook_sender import WebhookSender
from ringback.domain.errors import ConfigurationError
from ringback.instrumentation.prometheus import PrometheusHooks
from ringback.ports.clock import Clock
from ringback.settings import Settings
from ringback.store.sql_store import SqlStore
from ringback.temporal.activities import TemporalActivities
from ringback.temporal.connect import check_connection
from ringback.temporal.encoder import Encoder
from ringback.temporal.heartbeats import TemporalHeartbeats
from ringback.temporal.identify import TemporalIdentifier

if TYPE_CHECKING:
    # A gateway runs no worker, and the module is slow to load.
    from temporalio.worker import Worker


_CLOCK: Final = SystemClock()


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway whose services run.

    Attributes:
        app: The ASGI application, which the caller serves.
        stop_waiting: Ends all requests that wait for a verdict or watch an inbox. Call it when the
            server begins to stop: it cancels requests that take longer than a second after that.
        metrics: Its metrics.
    """

    app: FastAPI
    stop_waiting: Callable[[], None]
    metrics: MetricsPage


@asynccontextmanager
async def running_gateway(
    client: Client,
    settings: Settings,
    *,
    clock: Clock = _CLOCK,
    hooks: Hooks = NO_HOOKS,
    with_queues: bool = True,
) -> AsyncIterator[RunningGateway]:
    """Run the services of a gateway for the block; they report commits to `hooks`.

    `with_queues` consumes the queues of `ringback.toml`, too.

    Raises:
        ConfigurationError: A setting cannot be used.
        StoreUnavailableError: The store cannot be reached.
    """
    async with (
        opened_store(settings, clock) as store,
        opened_sender(settings, clock) as sender,
        opened_notifiers(settings, clock) as notifiers,
        opened_tracer(os.environ) as tracer,
    ):
        if settings.postgresql_url is None:
            await ensure_local_keys(settings.data, store)
        edges = edges_of(
            client,
            settings,
            store,
            clock=clock,
            notifiers=notifiers,
            hooks=hooks,
            tracer=tracer,
        )
        parts = Parts(edges)
        webhook_sender = WebhookSender(store, sender, clock=clock, jitter=jitter, hooks=edges.hooks)
        consumers = build_consumers(parts) if with_queues else ()
        async with run_services(
            *edges.services,
            parts.opener,
            parts.due_time_repair,
            parts.connection_checker,
            parts.gauges,
            parts.listener,
            parts.inbox_feed,
            webhook_sender,
            parts.notifier,
            *filter(None, [parts.slack_votes]),
            parts.deliverer,
            parts.poller,
            parts.keep_alive,
            parts.deadlines,
            parts.poll_requester,
            parts.retention,
            parts.answer_service,
            parts.event_service,
            parts.heartbeat_service,
            *consumers,
        ):
            yield RunningGateway(build_app(parts), partial(stop_waiting, parts), parts.metrics)


@asynccontextmanager
async def running_consumers(
    client: Client, settings: Settings, *, host: str
) -> AsyncIterator[Sequence[str]]:
    """Consume the queues of `ringback.toml` for the block, and yield their names.

    Answers are committed to the store of the gateways, which deliver them. `host` is the address
    for the port of metrics.

    Raises:
        ConfigurationError: A setting cannot be used, there are no queues, or there is no store.
        StoreUnavailableError: The store cannot be reached.
    """
    async with (
        existing_store(settings, _CLOCK) as store,
        opened_tracer(os.environ) as tracer,
    ):
        edges = edges_of(client, settings, store, tracer=tracer)
        if not edges.queues:
            msg = f"{config_file(settings)} has no queues; add a table [queues.NAME]"
            raise ConfigurationError(msg)
        parts = Parts(edges)
        async with (
            run_services(
                *edges.services,
                parts.connection_checker,
                parts.gauges,
                parts.answer_service,
                parts.event_service,
                parts.heartbeat_service,
                *build_consumers(parts),
            ),
            serving_metrics(parts.metrics, settings, host=host),
        ):
            freeze_objects()
            yield list(edges.queues)


def stop_waiting(parts: Parts) -> None:
    """End all requests that wait for a verdict or watch an inbox."""
    parts.edges.verdicts.stop_waiting()
    parts.inbox_feed.stop_waiting()


def edges_of(
    client: Client,
    settings: Settings,
    store: SqlStore,
    *,
    clock: Clock = _CLOCK,
    notifiers: Notifiers | None = None,
    hooks: Hooks = NO_HOOKS,
    tracer: Tracer = NO_TRACER,
) -> Edges:
    """Return the edges of a gateway on `store` and on the Temporal server of `client`.

    Raises:
        ConfigurationError: The link keys cannot be read or created, a way to sign in is configured
            only in part, bodies are to be encrypted without a codec, or a source or queue of
            `ringback.toml` is wrong.
    """
    sources, queues = load_all_sources(settings)
    # Shared: connections that a codec keeps open belong to one event loop.
    encoder = Encoder(client.data_converter)
    keyring = load_or_create_keyring(settings)
    activities = TemporalActivities(client, encoder)
    counters = PrometheusHooks(ringback.__version__)
    all_hooks = HooksOfAll(hooks, counters, tracer=tracer)
    return Edges(
        store=store,
        activities=activities,
        heartbeats=TemporalHeartbeats(client, encoder),
        identifier=TemporalIdentifier(client),
        check_connection=partial(check_connection, client),
        namespace=client.namespace,
        keyring=keyring,
        public_url=settings.base_url,
        body_limit=settings.body_limit,
        link_rate=settings.link_rate,
        key_rate=settings.key_rate,
        polls_per_second=settings.polls_per_second,
        clock=clock,
        jitter=jitter,
        verdicts=VerdictWaiter(store, clock, hooks=all_hooks),
        owner=process_name(),
        new_callback_id=callback_ids(clock),
        new_outcome_id=outcome_ids(clock),
        new_event_id=event_ids(clock),
        sign_in_ways=build_sign_in_ways(settings, clock),
        session_rules=session_rules(settings),
        services=[activities],
        notifiers=notifiers or Notifiers(),
        sources=sources,
        queues=queues,
        fetch=fetch,
        keep_offer=OfferedSecrets(settings.data / "offered-secrets", clock).keep,
        keep_ended_for=settings.keep_ended_for,
        drop_bodies_after=settings.drop_bodies_after,
        bodies=build_body_encryption(settings, encoder, keyring),
        hooks=all_hooks,
        counters=counters,
        has_metrics_route=settings.metrics_port is None,
    )


@asynccontextmanager
async def serving_gateway(
    client: Client,
    settings: Settings,
    listening: socket.socket,
    *,
    hooks: Hooks = NO_HOOKS,
    with_queues: bool = True,
) -> AsyncIterator[None]:
    """Serve a gateway on `listening` for the block; it reports commits to `hooks`.

    `with_queues` consumes the queues of `ringback.toml`, too.

    Raises:
        ConfigurationError: A setting cannot be used.
        StoreUnavailableError: The store cannot be reached.
    """
    raise_descriptor_limit()
    host = str(listening.getsockname()[0])
    async with running_gateway(client, settings, hooks=hooks, with_queues=with_queues) as gateway:
        freeze_objects()
        limits = http_limits(settings, gateway.app.state.gateway.hooks)
        async with (
            serving_metrics(gateway.metrics, settings, host=host),
            served(gateway.app, listening, on_stop=gateway.stop_waiting, limits=limits),
        ):
            yield


_CHECK_EVERY_SECONDS: Final = 0.02


@asynccontextmanager
async def working(worker: "Worker") -> AsyncIterator[None]:
    """Run `worker` for the block: it polls before the block begins and finishes after it.

    An error at its start is raised unchanged, unlike with the worker's own `async with`.
    """
    async with task_group() as group:
        group.create_task(worker.run(), name="worker")
        while not worker.is_running:  # noqa: ASYNC110 - the SDK has no event for it
            await asyncio.sleep(_CHECK_EVERY_SECONDS)
        try:
            yield
        finally:
            await worker.shutdown()
