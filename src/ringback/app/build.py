"""Builds the ASGI application of a gateway, for programs, tests and docs."""

from fastapi import FastAPI

import ringback
from ringback.app.parts import Parts
from ringback.core.api_auth import Authorizer
from ringback.core.opening import OpenService
from ringback.core.operations import OperatorService
from ringback.core.status import StatusService
from ringback.domain.errors import TemporalMisconfiguredError, TemporalUnreachableError
from ringback.gateway.app import create_app
from ringback.gateway.gateway import Gateway
from ringback.gateway.health import Health, TemporalStatus
from ringback.gateway.rare_warnings import UnknownKeyLog


def build_app(parts: Parts) -> FastAPI:
    """Return the ASGI application of a gateway; the caller runs the services of `parts`."""
    edges, store = parts.edges, parts.edges.store
    gateway = Gateway(
        answer_service=parts.answer_service,
        heartbeat_service=parts.heartbeat_service,
        status_service=StatusService(store, edges.activities),
        open_service=OpenService(
            parts.opener,
            edges.identifier,
            edges.results,
            new_callback_id=edges.new_callback_id,
            key_id=edges.keyring.signing,
        ),
        opener=parts.opener,
        operator_service=OperatorService(store, store, store, links=store),
        authorizer=Authorizer(store, clock=edges.clock),
        verdicts=edges.verdicts,
        store=store,
        keyring=edges.keyring,
        clock=edges.clock,
        results=edges.results,
        health=Health(store, lambda: _temporal_status(parts), clock=edges.clock),
        unknown_keys=UnknownKeyLog(edges.clock),
        public_url=edges.public_url,
        body_limit=edges.body_limit,
        version=ringback.__version__,
        namespace=edges.namespace,
    )
    return create_app(gateway)


async def _temporal_status(parts: Parts) -> TemporalStatus:
    try:
        await parts.edges.check_connection()
    except TemporalMisconfiguredError:
        return TemporalStatus.MISCONFIGURED
    except TemporalUnreachableError:
        return TemporalStatus.UNREACHABLE
    is_misconfigured = parts.deliverer.is_misconfigured
    return TemporalStatus.MISCONFIGURED if is_misconfigured else TemporalStatus.OK
