"""Puts the programs together: everything is made here, by hand, once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from temporalio.client import Client

from ringback.app.keys import load_keyring
from ringback.app.stores import opened_store
from ringback.app.system import (
    SystemClock,
    callback_ids,
    jitter,
    outcome_ids,
    process_name,
)
from ringback.core.accept import Accepting
from ringback.core.checks import Checks
from ringback.core.deadlines import DeadlineKeeper
from ringback.core.deliver import Deliverer
from ringback.core.heartbeat import Heartbeating
from ringback.core.listen import Listener
from ringback.core.observe import Observer
from ringback.core.open import Opening
from ringback.core.service import running
from ringback.core.sweep import Sweeper
from ringback.core.view import Viewing
from ringback.core.watch import Verdicts
from ringback.gateway.app import create_app
from ringback.gateway.health import Health
from ringback.gateway.routes import Gateway
from ringback.settings import Settings, load_settings
from ringback.shapes.checker import SchemaChecker
from ringback.shapes.schema import schema_of
from ringback.temporal.activities import TemporalActivities
from ringback.temporal.connect import is_reachable
from ringback.worker.runtime import WorkerRuntime


@asynccontextmanager
async def worker_runtime(
    client: Client, settings: Settings | None, *, identity: str
) -> AsyncIterator[WorkerRuntime]:
    """Open what a worker's activities need, for the block.

    Raises:
        ConfigurationError: A setting cannot be used.
        StoreUnavailableError: The store cannot be reached.
    """
    settings = settings or load_settings()
    clock = SystemClock()
    async with opened_store(settings, clock) as store:
        activities = TemporalActivities(client)
        opening = Opening(store, store, activities, worker=identity)
        async with running(opening):
            yield WorkerRuntime(
                opening=opening,
                keyring=load_keyring(settings),
                public_url=settings.base_url,
                new_callback_id=callback_ids(clock),
                schema_of=partial(schema_of, converter=client.data_converter),
                loop=asyncio.get_running_loop(),
            )


@asynccontextmanager
async def running_gateway(client: Client, settings: Settings) -> AsyncIterator[Starlette]:
    """Run what takes answers and brings them to Temporal, for the block; yield its application.

    Raises:
        ConfigurationError: A setting cannot be used.
        StoreUnavailableError: The store cannot be reached.
    """
    clock = SystemClock()
    async with opened_store(settings, clock) as store:
        activities = TemporalActivities(client)
        verdicts = Verdicts()
        deliverer = Deliverer(
            store, activities, verdicts, clock=clock, jitter=jitter, owner=process_name()
        )
        accepting = Accepting(
            store,
            Checks(store, activities, SchemaChecker()),
            new_outcome_id=outcome_ids(clock),
            on_accepted=deliverer.wake,
        )
        gateway = Gateway(
            keyring=load_keyring(settings),
            accepting=accepting,
            heartbeating=Heartbeating(store, activities),
            viewing=Viewing(store, activities),
            verdicts=verdicts,
            store=store,
            clock=clock,
            public_url=settings.base_url,
            body_limit=settings.body_limit,
        )
        health = Health(store, lambda: is_reachable(client))
        observer = Observer(store, store, activities)
        deadlines = DeadlineKeeper(
            store,
            observer,
            clock=clock,
            new_outcome_id=outcome_ids(clock),
            on_accepted=deliverer.wake,
        )
        listener = Listener(
            store, clock=clock, on_accepted=deliverer.wake, on_settled=verdicts.announce
        )
        sweeper = Sweeper(store, observer, clock=clock)
        async with running(listener, deliverer, sweeper, deadlines, accepting):
            yield create_app(gateway, health)
