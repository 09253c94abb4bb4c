"""Puts the programs together: everything is made here, by hand, once."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from starlette.applications import Starlette
from temporalio.client import Client

from ringback.app.keys import load_or_make_keyring
from ringback.app.local_api_keys import ensure_local_keys
from ringback.app.operator_api import operator_services
from ringback.app.parts import Parts
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock, callback_ids, jitter
from ringback.app.webhook_secrets import opened_sender
from ringback.core.connection_watch import ConnectionWatch
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.service import running
from ringback.core.tell import Teller
from ringback.core.view import Viewing
from ringback.domain.errors import TemporalMisconfiguredError, TemporalUnreachableError
from ringback.gateway.api.services import Services
from ringback.gateway.app import create_app
from ringback.gateway.gateway import Gateway
from ringback.gateway.health import Health, TemporalStatus
from ringback.gateway.unknown_keys import UnknownKeys
from ringback.settings import Settings
from ringback.temporal.connect import check_connection
from ringback.temporal.identify import TemporalIdentifier


@dataclass(frozen=True, slots=True)
class RunningGateway:
    """A gateway that runs, and is to be served.

    Attributes:
        app: The ASGI application.
        stop_waiting: Ends the wait of every request that waits for a verdict. Call it when the
            server begins to stop; the server cancels requests that take too long after that.
    """

    app: Starlette
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
        parts = Parts(store, client, settings=settings, clock=clock, hooks=hooks)
        teller = Teller(store, sender, clock=clock, jitter=jitter)
        async with running(
            parts.activities,
            parts.opening,
            parts.due_time_repair,
            ConnectionWatch(partial(check_connection, client), clock=clock),
            parts.listener,
            teller,
            parts.deliverer,
            parts.poller,
            parts.keep_alive,
            parts.deadlines,
            parts.accepting,
            parts.heartbeating,
        ):
            yield RunningGateway(build_app(parts), parts.verdicts.stop_waiting)


def build_app(parts: Parts) -> Starlette:
    """Return the ASGI application of a gateway; the caller runs the parts that it needs."""
    gateway = _gateway(parts)
    return create_app(gateway, _health(parts), _api(parts, gateway))


def _gateway(parts: Parts) -> Gateway:
    return Gateway(
        keyring=load_or_make_keyring(parts.settings),
        accepting=parts.accepting,
        heartbeating=parts.heartbeating,
        viewing=Viewing(parts.store, parts.activities),
        verdicts=parts.verdicts,
        store=parts.store,
        clock=parts.clock,
        unknown_keys=UnknownKeys(parts.clock),
        public_url=parts.settings.base_url,
        body_limit=parts.settings.body_limit,
    )


def _health(parts: Parts) -> Health:
    return Health(parts.store, partial(_temporal_status, parts), clock=parts.clock)


async def _temporal_status(parts: Parts) -> TemporalStatus:
    try:
        await check_connection(parts.client)
    except TemporalMisconfiguredError:
        return TemporalStatus.MISCONFIGURED
    except TemporalUnreachableError:
        return TemporalStatus.UNREACHABLE
    is_misconfigured = parts.deliverer.is_misconfigured
    return TemporalStatus.MISCONFIGURED if is_misconfigured else TemporalStatus.OK


def _api(parts: Parts, gateway: Gateway) -> Services:
    return operator_services(
        gateway,
        parts.store,
        opening=parts.opening,
        identifier=TemporalIdentifier(parts.client),
        results=parts.results,
        new_callback_id=callback_ids(parts.clock),
        namespace=parts.client.namespace,
    )
