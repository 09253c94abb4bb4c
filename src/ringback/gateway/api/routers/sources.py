"""Routes for operators that show the configured sources, and what they refused."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from fastapi import Path, Request

from ringback.domain.api_key import Act
from ringback.domain.event import SourceActivity
from ringback.gateway.api.access import new_router, requires
from ringback.gateway.api.bodies import read_model
from ringback.gateway.api.openapi import OF_A_BODY, problems, takes
from ringback.gateway.gateway import Gateway, GatewayOf
from ringback.gateway.source_trial import SourceTrial
from ringback.schemas.sources import (
    RefusalsOut,
    RefusedOut,
    RuleOut,
    SourceOut,
    SourcesOut,
    SourceTestIn,
    SourceTestOut,
)
from ringback.sources.config import Source
from ringback.sources.queue_config import QueueConfig
from ringback.sources.rules import Rule

NEWEST: Final = 1000
"""How many events of a source its counts include."""

router = new_router("/sources")

SourceInPath = Annotated[str, Path(alias="source", max_length=200)]


@router.get("", summary="List the configured sources", dependencies=requires(Act.VIEW))
async def list_sources(gateway: GatewayOf) -> SourcesOut:
    """Return what `ringback.toml` configures, without secrets, and what the sources sent of late.

    The counts of events include the newest 1,000 of each source. Requests are counted by this
    gateway since its start; another gateway counts its own.
    """
    door = gateway.source_door
    all_: list[Source | QueueConfig] = [*door.sources.values(), *door.queues.values()]
    found = sorted(all_, key=lambda one: one.name)
    names = [one.name for one in found]
    activity = await gateway.store.source_activity(gateway.namespace, names, newest=NEWEST)
    return SourcesOut(
        sources=[_to_out(gateway, *both) for both in zip(found, activity, strict=True)],
        since=door.ledger.since,
    )


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


def _to_out(gateway: Gateway, source: Source | QueueConfig, activity: SourceActivity) -> SourceOut:
    shared: dict[str, Any] = {
        "name": source.name,
        "rules": _to_rules(source.rules),
        "batch": None if source.batch is None else source.batch.text,
        "ttl": source.ttl.total_seconds(),
        "headers": sorted(source.headers),
        "last_event_at": activity.last_event_at,
        "recent": {state.value: number for state, number in activity.recent.items()},
        "requests": gateway.source_door.ledger.counts(source.name),
    }
    if isinstance(source, QueueConfig):
        own: dict[str, Any] = {
            "kind": "queue",
            "provider": source.kind.value,
            "url": None,
            "place": source.place,
            "trusted": source.trusted,
            "secrets": 0,
            "limit": None,
            "not_signed": [],
            "retries": None,
        }
    else:
        own = {
            "kind": "webhook",
            "provider": source.scheme.name,
            "url": f"{gateway.public_url}/in/{source.name}",
            "place": None,
            "trusted": None,
            "secrets": len(source.secrets),
            "limit": source.limit,
            "not_signed": list(source.scheme.not_signed),
            "retries": source.scheme.retries,
        }
    return SourceOut.model_validate({**shared, **own})


def _to_rules(rules: Iterable[Rule]) -> list[RuleOut]:
    return [
        RuleOut(
            when=None if rule.when is None else rule.when.text,
            key=None if rule.key is None else rule.key.text,
            action=rule.action.value,
        )
        for rule in rules
    ]
