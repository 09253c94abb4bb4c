"""Puts the programs together: everything is made here, by hand, once."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from fastapi import FastAPI
from temporalio.client import Client

from ringback.app.build import build_app
from ringback.app.edges import Edges
from ringback.app.keys import load_or_make_keyring
from ringback.app.local_api_keys import ensure_local_keys
from ringback.app.parts import Parts
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock, callback_ids, jitter, outcome_ids, process_name
from ringback.app.webhook_secrets import opened_sender
from ringback.core.connection_check import ConnectionChecker
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.services import run_services
from ringback.core.verdict_waiter import VerdictWaiter
from ringback.core.webhook_sender import WebhookSender
from ringback.settings import Settings
from ringback.store.sql_store import SqlStore
from ringback.temporal.activities import TemporalActivities
from ringback.temporal.connect import check_connection
from ringback.temporal.encoder import Encoder
from ringback.temporal.heartbeats import TemporalHeartbeats
from ringback.temporal.identify import TemporalIdentifier


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that runs, and is to be served.

    Attributes:
        app: The ASGI application.
        stop_waiting: Ends the wait of every request that waits for a verdict. Call it when the
            server begins to stop; the server cancels requests that take too long after that.
    """

    app: FastAPI
    stop_waiting: Callable[[], None]


@asynccontextmanager
async def running_gateway(
    client: Client, settings: Settings, *, hooks: Hooks = NO_HOOKS
) -> AsyncIterator[RunningGateway]:
    """Run what accepts answers and delivers them to Temporal, for the block.

    It reports to `hooks` what it commits.

    Raises:
        ConfigurationError: A setting cannot be used.
        StoreUnavailableError: The store cannot be reached.
    """
    clock = SystemClock()
    async with (
        opened_store(settings, clock) as store,
        opened_sender(settings, clock) as sender,
    ):
        if settings.postgresql_url is None:
            await ensure_local_keys(settings.data, store)
        edges = edges_of(client, settings, store, hooks=hooks)
        parts = Parts(edges)
        webhook_sender = WebhookSender(store, sender, clock=clock, jitter=jitter)
        async with run_services(
            *edges.services,
            parts.opener,
            parts.due_time_repair,
            ConnectionChecker(edges.check_connection, clock=clock),
            parts.listener,
            webhook_sender,
            parts.deliverer,
            parts.poller,
            parts.keep_alive,
            parts.deadlines,
            parts.answer_service,
            parts.heartbeat_service,
        ):
            yield RunningGateway(build_app(parts), edges.verdicts.stop_waiting)


def edges_of(
    client: Client, settings: Settings, store: SqlStore, *, hooks: Hooks = NO_HOOKS
) -> Edges:
    """Return what a gateway is built on: `store`, and the Temporal of `client`.

    Raises:
        ConfigurationError: The keys of links cannot be used.
    """
    clock = SystemClock()
    # One for all: what a codec keeps open is bound to one event loop.
    encoder = Encoder(client.data_converter)
    activities = TemporalActivities(client, encoder)
    return Edges(
        store=store,
        activities=activities,
        heartbeats=TemporalHeartbeats(client, encoder),
        identifier=TemporalIdentifier(client),
        check_connection=partial(check_connection, client),
        namespace=client.namespace,
        keyring=load_or_make_keyring(settings),
        public_url=settings.base_url,
        body_limit=settings.body_limit,
        polls_per_second=settings.polls_per_second,
        clock=clock,
        jitter=jitter,
        verdicts=VerdictWaiter(store, clock),
        owner=process_name(),
        new_callback_id=callback_ids(clock),
        new_outcome_id=outcome_ids(clock),
        services=[activities],
        hooks=hooks,
    )
