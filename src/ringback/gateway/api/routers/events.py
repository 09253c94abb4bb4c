"""Routes for operators that show what sources sent."""

from dataclasses import asdict
from typing import Annotated

from fastapi import Query

from ringback.domain.api_key import Act
from ringback.domain.ids import EventId
from ringback.gateway.api.access import new_router, requires
from ringback.gateway.gateway import GatewayOf
from ringback.schemas.events import EventOut, EventsIn, EventsOut, action_name

router = new_router("/events")


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
        events=[
            EventOut.model_validate({**asdict(one), "action": action_name(one.action)})
            for one in shown
        ],
        next=shown[-1].id if len(found) > filters.limit else None,
    )
