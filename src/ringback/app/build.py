"""Builds the ASGI application of a gateway; programs, tests and docs build theirs here."""

from functools import partial

from starlette.applications import Starlette

from ringback.app.operator_api import operator_services
from ringback.app.parts import Parts
from ringback.core.status import StatusService
from ringback.domain.errors import TemporalMisconfiguredError, TemporalUnreachableError
from ringback.gateway.api.services import Services
from ringback.gateway.app import create_app
from ringback.gateway.gateway import Gateway
from ringback.gateway.health import Health, TemporalStatus
from ringback.gateway.unknown_keys import UnknownKeys


def build_app(parts: Parts) -> Starlette:
    """Return the ASGI application of a gateway; the caller runs the parts that it needs."""
    gateway = _gateway(parts)
    status = partial(_temporal_status, parts)
    health = Health(parts.edges.store, status, clock=parts.edges.clock)
    return create_app(gateway, health, _api(parts, gateway))


def _gateway(parts: Parts) -> Gateway:
    edges = parts.edges
    return Gateway(
        keyring=edges.keyring,
        answer_service=parts.answer_service,
        heartbeat_service=parts.heartbeat_service,
        status_service=StatusService(edges.store, edges.activities),
        verdicts=edges.verdicts,
        store=edges.store,
        clock=edges.clock,
        unknown_keys=UnknownKeys(edges.clock),
        public_url=edges.public_url,
        body_limit=edges.body_limit,
    )


async def _temporal_status(parts: Parts) -> TemporalStatus:
    try:
        await parts.edges.check_connection()
    except TemporalMisconfiguredError:
        return TemporalStatus.MISCONFIGURED
    except TemporalUnreachableError:
        return TemporalStatus.UNREACHABLE
    is_misconfigured = parts.deliverer.is_misconfigured
    return TemporalStatus.MISCONFIGURED if is_misconfigured else TemporalStatus.OK


def _api(parts: Parts, gateway: Gateway) -> Services:
    edges = parts.edges
    return operator_services(
        gateway,
        edges.store,
        opener=parts.opener,
        identifier=edges.identifier,
        results=edges.results,
        new_callback_id=edges.new_callback_id,
        namespace=edges.namespace,
    )
