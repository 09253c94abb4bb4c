"""The consumers of the queues in `ringback.toml`. Each driver is imported when it is used."""

import asyncio
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Final

import ringback
from ringback.core.queue_consumer import QueueConsumer
from ringback.core.queue_messages import MessageReader, QueueRules, ToEvents
from ringback.domain.errors import ConfigurationError
from ringback.gateway.body import read_message, run_apart
from ringback.ports.events import NewEvent
from ringback.ports.queue import Broker
from ringback.sources.outcomes import to_new_events
from ringback.sources.queue_config import QueueConfig, QueueKind
from ringback.sources.source_event import SourceEvent

if TYPE_CHECKING:
    from ringback.app.container import Parts
from ringback.app.edges import Edges

_BROKERS: Final = {
    QueueKind.RABBITMQ: ("rabbitmq", "RabbitmqBroker"),
    QueueKind.NATS: ("nats", "NatsBroker"),
    QueueKind.KAFKA: ("kafka", "KafkaBroker"),
    QueueKind.REDIS: ("redis_streams", "RedisBroker"),
}
"""The module and the class of each kind."""


def build_consumers(parts: "Parts") -> Sequence[QueueConsumer]:
    """Return a consumer of each configured queue.

    Raises:
        ConfigurationError: The driver of a queue is not installed.
    """
    return [_build_consumer(parts, one) for one in parts.edges.queues.values()]


def open_broker(config: QueueConfig) -> Broker:
    """Return the broker of a queue. This connects to nothing.

    Raises:
        ConfigurationError: Its driver is not installed.
        ModuleNotFoundError: A module of Ringback is missing.
    """
    module, name = _BROKERS[config.kind]
    try:
        kind = getattr(import_module(f"ringback.queues.{module}"), name)
    except ModuleNotFoundError as exc:
        if (exc.name or "").partition(".")[0] == ringback.__name__:
            raise
        msg = f'queues.{config.name} needs {exc.name}; run: pip install "ringback[queues]"'
        raise ConfigurationError(msg) from exc
    group = () if config.kind is QueueKind.RABBITMQ else (config.group,)
    broker: Broker = kind(config.url, config.place, *group)
    return broker


def _build_consumer(parts: "Parts", config: QueueConfig) -> QueueConsumer:
    edges = parts.edges
    rules = QueueRules(
        name=config.name,
        is_trusted=config.trusted,
        headers=config.headers,
        ttl=config.ttl,
        to_events=_rules_of(edges, config),
    )
    reader = MessageReader(
        rules,
        parts.answer_service,
        parts.heartbeat_service,
        edges.keyring,
        read_message,
        namespace=edges.namespace,
        body_limit=edges.body_limit,
        new_event_id=edges.new_event_id,
        clock=edges.clock,
    )
    return QueueConsumer(
        config.name,
        open_broker(config),
        reader,
        parts.event_service,
        prefetch=config.prefetch,
        clock=edges.clock,
        jitter=edges.jitter,
        hooks=edges.hooks,
    )


def _rules_of(edges: "Edges", config: QueueConfig) -> ToEvents | None:
    if not config.rules:
        return None

    async def to_events(body: bytes, headers: Mapping[str, str]) -> Sequence[NewEvent]:
        def apply() -> Sequence[NewEvent]:
            event = SourceEvent(body, headers)
            return to_new_events(config, event, limit=edges.body_limit, new_id=edges.new_event_id)

        if config.batch is None:
            return await run_apart(body, apply)
        return await asyncio.to_thread(apply)

    return to_events
