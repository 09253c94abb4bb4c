"""The page on which operators see the sources of events, and what was refused."""

from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from ringback.domain.durations import format_instant
from ringback.domain.errors import NotAllowedError
from ringback.domain.event import EventSummary
from ringback.gateway.gateway import Gateway, GatewayOf
from ringback.gateway.identity.csrf import csrf_token
from ringback.gateway.identity.login import SIGN_OUT
from ringback.gateway.identity.person import RequiredPerson
from ringback.gateway.page import render_page
from ringback.gateway.source_door import NOT_REFUSED
from ringback.gateway.source_view import describe_sources
from ringback.gateway.static_files import TIMES_SCRIPT
from ringback.schemas.sources import SourceOut

router = APIRouter(include_in_schema=False)

_MOST_EVENTS: Final = 20


@router.head("/sources")
@router.get("/sources")
async def show_sources(gateway: GatewayOf, request: Request, person: RequiredPerson) -> Response:
    """Show the sources, their newest events and their refused requests. Changes nothing.

    Raises:
        NotAllowedError: This person does not see everything.
    """
    if not person.is_admin:
        msg = "only admins see the sources of events; RINGBACK_ADMINS names them"
        raise NotAllowedError(msg)
    found = await describe_sources(gateway)
    events = await gateway.store.list_events(gateway.namespace, limit=_MOST_EVENTS)
    shown = {
        "sources": [_to_shown(gateway, one) for one in found.sources],
        "since": format_instant(found.since),
        "events": [_to_event(one) for one in events],
        "person": person,
        "session_csrf": csrf_token(gateway, request),
        "sign_out": gateway.local_path(SIGN_OUT),
        "to_inbox": gateway.local_path("/inbox"),
        "now": format_instant(gateway.clock.now()),
        "times_script": gateway.local_path(TIMES_SCRIPT),
    }
    return render_page("sources.html", shown, has_script=True)


def _to_shown(gateway: Gateway, source: SourceOut) -> dict[str, Any]:
    refused = gateway.source_door.ledger.refused(source.name)
    last = source.last_event_at
    return {
        "source": source,
        "last": None if last is None else format_instant(last),
        "recent": ", ".join(f"{number} {state}" for state, number in source.recent.items()),
        "counts": {
            result.replace("_", " "): number
            for result, number in source.requests.items()
            if result in NOT_REFUSED
        },
        "refused": [
            {
                "reason": one.reason.replace("_", " "),
                "message": one.message,
                "count": one.count,
                "at": format_instant(one.last_at),
            }
            for one in refused
        ],
        "refused_count": sum(
            number for result, number in source.requests.items() if result not in NOT_REFUSED
        ),
    }


def _to_event(event: EventSummary) -> dict[str, Any]:
    return {
        "id": event.id,
        "source": event.source,
        "state": event.state.value,
        "alias": event.alias,
        "reason": event.reason,
        "at": format_instant(event.received_at),
    }
