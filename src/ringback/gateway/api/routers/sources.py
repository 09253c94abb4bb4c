"""Routes for operators that show the configured sources, and what they refused."""

from typing import Annotated

from fastapi import Path, Request

from ringback.domain.api_key import Act
from ringback.gateway.api.access import new_router, requires
from ringback.gateway.api.bodies import read_model
from ringback.gateway.api.openapi import OF_A_BODY, problems, takes
from ringback.gateway.gateway import GatewayOf
from ringback.gateway.source_trial import SourceTrial
from ringback.gateway.source_view import describe_sources
from ringback.schemas.sources import (
    RefusalsOut,
    RefusedOut,
    SourcesOut,
    SourceTestIn,
    SourceTestOut,
)

router = new_router("/sources")

SourceInPath = Annotated[str, Path(alias="source", max_length=200)]


@router.get("", summary="List the configured sources", dependencies=requires(Act.VIEW))
async def list_sources(gateway: GatewayOf) -> SourcesOut:
    """Return what `ringback.toml` configures, without secrets, and what the sources sent of late.

    The counts of events include the newest 1,000 of each source. Requests are counted by this
    gateway since its start; another gateway counts its own.
    """
    return await describe_sources(gateway)


@router.get(
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


@router.post(
    "/{source}/test",
    summary="Try a request on a source",
    dependencies=requires(Act.EVENTS),
    responses=problems(404, *OF_A_BODY),
    openapi_extra=takes(SourceTestIn),
)
async def test_source(gateway: GatewayOf, source: SourceInPath, request: Request) -> SourceTestOut:
    """Return what the source would do with a request, event by event. Nothing is stored.

    The reply says whether the signature fits, and never what a right one would be.
    """
    # In base64, or with escapes, a body is longer.
    asked, _ = await read_model(request, SourceTestIn, limit=2 * gateway.body_limit)
    found = gateway.source_door.find(source)
    return await SourceTrial(gateway, found, asked.headers, asked.raw).run()
