"""The ASGI application of a gateway."""

from fastapi import FastAPI

import ringback
from ringback.app.container import Parts
from ringback.app.sign_in import build_session_service
from ringback.core.api_auth import Authorizer
from ringback.core.give_up import GiveUpService
from ringback.core.inbox import InboxService
from ringback.core.open_service import OpenService
from ringback.core.operations import OperatorService
from ringback.core.rate_limit import RequestLimits
from ringback.core.replays import ReplayService
from ringback.core.status import StatusService
from ringback.domain.errors import TemporalMisconfiguredError, TemporalUnreachableError
from ringback.gateway.app import create_app
from ringback.gateway.gateway import Gateway, SlackDoor
from ringback.gateway.health import Health, TemporalStatus
from ringback.gateway.rare_warnings import UnknownKeyLog
from ringback.gateway.source_door import SourceDoor


def build_app(parts: Parts) -> FastAPI:
    """Return the ASGI application of a gateway; the caller runs the services of `parts`."""
    edges, store = parts.edges, parts.edges.store
    gateway = Gateway(
        answer_service=parts.answer_service,
        alias_service=parts.alias_service,
        vote_service=parts.votes,
        inbox_service=InboxService(store, parts.votes),
        inbox_feed=parts.inbox_feed,
        notifier=parts.notifier,
        slack=_slack_door(parts),
        heartbeat_service=parts.heartbeat_service,
        status_service=StatusService(store, edges.activities),
        open_service=OpenService(
            parts.opener,
            edges.identifier,
            edges.results,
            new_callback_id=edges.new_callback_id,
            key_id=edges.keyring.signing,
            bodies=edges.bodies,
        ),
        opener=parts.opener,
        poll_reports=parts.poll_reports,
        operator_service=OperatorService(store, store, store, links=store),
        give_up_service=GiveUpService(
            store, store, edges.activities, verdicts=edges.verdicts, hooks=edges.hooks
        ),
        authorizer=Authorizer(
            store, clock=edges.clock, requests_per_second=edges.key_rate, hooks=edges.hooks
        ),
        verdicts=edges.verdicts,
        store=store,
        keyring=edges.keyring,
        clock=edges.clock,
        results=edges.results,
        health=Health(parts.write_checker, lambda: _temporal_status(parts)),
        unknown_keys=UnknownKeyLog(edges.clock),
        limits=RequestLimits(link_rate=edges.link_rate, clock=edges.clock, hooks=edges.hooks),
        source_door=SourceDoor(
            edges.sources,
            parts.event_service,
            queues=edges.queues,
            new_event_id=edges.new_event_id,
            fetch=edges.fetch,
            keep_offer=edges.keep_offer,
            clock=edges.clock,
            hooks=edges.hooks,
        ),
        replay_service=ReplayService(
            store,
            parts.alias_service,
            namespace=edges.namespace,
            on_replayed=parts.event_service.wake,
        ),
        retention=parts.retention,
        public_url=edges.public_url,
        body_limit=edges.body_limit,
        sessions=build_session_service(store, edges.session_rules, edges.clock),
        sign_in_ways=edges.sign_in_ways,
        version=ringback.__version__,
        namespace=edges.namespace,
        gauges=parts.gauges,
        queue_states=lambda: edges.counters.queues,
        render_metrics=parts.metrics.render if edges.has_metrics_route else None,
        tracer=edges.hooks.tracer,
        hooks=edges.hooks,
    )
    return create_app(gateway)


def _slack_door(parts: Parts) -> SlackDoor | None:
    votes = parts.slack_votes
    return None if votes is None else SlackDoor(votes, parts.edges.notifiers.slack_secrets)


async def _temporal_status(parts: Parts) -> TemporalStatus:
    try:
        await parts.edges.check_connection()
    except TemporalMisconfiguredError:
        return TemporalStatus.MISCONFIGURED
    except TemporalUnreachableError:
        return TemporalStatus.UNREACHABLE
    is_misconfigured = parts.deliverer.is_misconfigured
    return TemporalStatus.MISCONFIGURED if is_misconfigured else TemporalStatus.OK
