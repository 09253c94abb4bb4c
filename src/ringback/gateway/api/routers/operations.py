"""Routes for who operates the gateway: whether anything is wrong, export and purge."""

from typing import Annotated

from fastapi import Query, Response

from ringback.domain.api_key import Act
from ringback.gateway.api.access import requires
from ringback.gateway.api.bodies import Body
from ringback.gateway.api.openapi import new_router
from ringback.gateway.gateway import GatewayOf
from ringback.gateway.summary import summarize
from ringback.schemas.retention import EndedIn, EndedOut, PurgedOut, PurgeIn, RecordOut, SummaryOut

router = new_router("")


@router.get("/summary", summary="Say whether anything is wrong", dependencies=requires(Act.VIEW))
async def show_summary(gateway: GatewayOf) -> SummaryOut:
    """Return the problems, the most urgent first, each with what to do.

    Queues and refused requests are those of this gateway. The reply takes at most a few seconds,
    also while the store or Temporal is away.
    """
    return await summarize(gateway)


@router.get("/ended", summary="Export what a purge would delete", dependencies=requires(Act.PURGE))
async def export_ended(
    gateway: GatewayOf, filters: Annotated[EndedIn, Query()], response: Response
) -> EndedOut:
    """Return a page of whole records, with payloads. Pass `after` until it is null.

    Store the page durably before you delete it with `exported`.
    """
    records, after = await gateway.retention.export(
        filters.kind, older_than=filters.older_than, after=filters.after, limit=filters.limit
    )
    response.headers["cache-control"] = "no-store"
    return EndedOut(
        records=[
            RecordOut(id=one.id, version=one.version, rows=dict(one.content)) for one in records
        ],
        after=after,
    )


@router.post(
    "/purge",
    summary="Delete what ended long ago, in small batches",
    dependencies=requires(Act.PURGE),
)
async def purge_ended(gateway: GatewayOf, asked: Body[PurgeIn]) -> PurgedOut:
    """Delete one batch, and return what was deleted. Pass `after` until it is null.

    Callbacks that are open, accepted or parked stay. So does whatever a webhook or a message is
    still to be sent for, and events of callbacks that stay.
    """
    if asked.exported is not None:
        rows = await gateway.retention.purge_exported(
            asked.kind, asked.exported, older_than=asked.older_than
        )
        return PurgedOut(rows=dict(rows), after=None)
    purged = await gateway.retention.purge(
        asked.kind, older_than=asked.older_than, after=asked.after, dry_run=asked.dry_run
    )
    return PurgedOut(rows=dict(purged.counts), after=purged.after)
