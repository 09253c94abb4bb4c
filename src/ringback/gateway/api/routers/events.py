"""Routes for operators that show sources and what they sent, and replay it."""

import asyncio
import base64
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, Path, Query

from ringback.domain.api_key import Act
from ringback.domain.event import EventRecord, EventSummary
from ringback.domain.ids import EventId
from ringback.gateway.api.access import KeyOf, requires
from ringback.gateway.api.bodies import ReadBody
from ringback.gateway.api.openapi import new_router, problems
from ringback.gateway.gateway import GatewayOf
from ringback.gateway.source_trial import SourceTrial, interpret_again
from ringback.gateway.source_view import describe_sources
from ringback.schemas.events import EventOut, EventRecordOut, EventsIn, EventsOut, action_name
from ringback.schemas.sources import (
    RefusalsOut,
    RefusedOut,
    SourcesOut,
    SourceTestIn,
    SourceTestOut,
)

router = new_router("/events")

_EventInPath = Annotated[EventId, Path(alias="event", pattern="^[A-Za-z0-9_]{1,64}$")]

_ToCurrent = Annotated[bool, Query(description="Also to another callback than before.")]


@router.get("", summary="List events of sources, newest first", dependencies=requires(Act.VIEW))
async def list_events(gateway: GatewayOf, filters: Annotated[EventsIn, Query()]) -> EventsOut:
    """Return a page by descending id. Pass `next` as `before` until it is null.

    A filter that few events meet reads all older ones.
    """
    found = await gateway.store.list_events(
        gateway.namespace,
        source=filters.source,
        state=filters.state,
        alias=filters.alias,
        before=None if filters.before is None else EventId(filters.before),
        limit=filters.limit + 1,
    )
    shown = found[: filters.limit]
    return EventsOut(
        events=[EventOut.model_validate(_to_facts(one)) for one in shown],
        next=shown[-1].id if len(found) > filters.limit else None,
    )


@router.get(
    "/{event}",
    summary="Show an event of a source with its body",
    dependencies=requires(Act.EVENTS),
    responses=problems(404),
)
async def show_event(gateway: GatewayOf, event_id: _EventInPath) -> EventRecordOut:
    """Return all that is stored of an event, and the request that it came with."""
    return _to_record_out(await gateway.replay_service.get(event_id))


@router.post(
    "/{event}/replay",
    summary="Replay an event of a source",
    dependencies=requires(Act.EVENTS),
    responses=problems(409),
)
async def replay_event(
    *, gateway: GatewayOf, event_id: _EventInPath, key: KeyOf, to_current: _ToCurrent = False
) -> EventRecordOut:
    """Begin an event again that is ignored, unmatched or dead, with the rules that apply now.

    Replay one after you corrected a rule. It goes to the callback that has its alias now; if that
    is another one than before, the reply is 409 unless `to_current` is true.
    """
    record = await gateway.replay_service.get(event_id)
    # Rules may take a while: a body may have a thousand events.
    events = await asyncio.to_thread(
        interpret_again, gateway.source_door, record, limit=gateway.body_limit
    )
    return _to_record_out(
        await gateway.replay_service.replay(record, events, by=key.id, to_current=to_current)
    )


def _to_facts(event: EventSummary) -> dict[str, Any]:
    return {**asdict(event), "action": action_name(event.action)}


def _to_record_out(record: EventRecord) -> EventRecordOut:
    sent = record.body or b""
    try:
        body, body_base64 = None if record.body is None else sent.decode(), None
    except UnicodeDecodeError:
        body, body_base64 = None, base64.b64encode(sent).decode()
    return EventRecordOut.model_validate({
        **_to_facts(record.event),
        "ended_at": record.ended_at,
        "answer": None if record.answer is None else record.answer.decode("utf-8", "replace"),
        "position": record.position,
        "siblings": record.siblings,
        "headers": dict(record.headers),
        "size": len(sent),
        "body": body,
        "body_base64": body_base64,
    })


sources_router = new_router("/sources")

SourceInPath = Annotated[str, Path(alias="source", max_length=200)]


@sources_router.get("", summary="List the configured sources", dependencies=requires(Act.VIEW))
async def list_sources(gateway: GatewayOf) -> SourcesOut:
    """Return what `ringback.toml` configures, without secrets, and what the sources sent of late.

    The counts of events include the newest 1,000 of each source. Requests are counted by this
    gateway since its start; another gateway counts its own.
    """
    return await describe_sources(gateway)


@sources_router.get(
    "/{source}/refused",
    summary="List the refused requests of a source",
    dependencies=requires(Act.VIEW),
    responses=problems(404),
)
async def list_refused(gateway: GatewayOf, source: SourceInPath) -> RefusalsOut:
    """Return the latest 100, newest first. They are in the memory of this gateway only.

    Requests beyond the limit of the source are counted, but not listed.
    """
    ledger, name = gateway.source_door.ledger, gateway.source_door.find(source).name
    refused = [RefusedOut.model_validate(one) for one in ledger.refused(name)]
    return RefusalsOut(refused=refused, since=ledger.since)


# In base64, or with escapes, a body is longer than what the source gets.
_Trial = Annotated[
    SourceTestIn, Depends(ReadBody(SourceTestIn, lambda gateway: 2 * gateway.body_limit))
]


@sources_router.post(
    "/{source}/test", summary="Try a request on a source", dependencies=requires(Act.EVENTS)
)
async def test_source(gateway: GatewayOf, source: SourceInPath, asked: _Trial) -> SourceTestOut:
    """Return what the source would do with a request, event by event. Nothing is stored.

    The reply says whether the signature fits, and never what a right one would be.
    """
    found = gateway.source_door.find(source)
    return await SourceTrial(gateway, found, asked.headers, asked.raw).run()
