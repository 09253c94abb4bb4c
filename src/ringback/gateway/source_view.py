"""The configured sources and queues as operators see them, without secrets."""

from collections.abc import Iterable
from typing import Any, Final

from ringback.domain.event import SourceActivity
from ringback.gateway.gateway import Gateway
from ringback.schemas.sources import RuleOut, SourceOut, SourcesOut
from ringback.sources.config import Source
from ringback.sources.queue_config import QueueConfig
from ringback.sources.rules import Rule

NEWEST: Final = 1000
"""How many events of a source its counts include."""


async def describe_sources(gateway: Gateway) -> SourcesOut:
    """Return the sources and queues by name, with what they sent of late.

    Raises:
        StoreUnavailableError: Their events cannot be read; retry.
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
