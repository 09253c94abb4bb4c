"""The queues of a configuration become consumers that answer, each with the driver of its kind."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType

import pytest

from ringback.app.container import Parts
from ringback.app.queues import build_consumers, open_broker
from ringback.core.services import run_services
from ringback.domain.callback import Callback, State
from ringback.domain.errors import ConfigurationError
from ringback.domain.event import EventState
from ringback.sources.queue_config import QueueConfig, load_queues
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from tests import factories
from tests.fake_edges import fake_edges
from tests.loops import idle
from tests.memory_broker import MemoryBroker
from tests.unit.core.callbacks import open_callback, reload

TRUSTED = """
[queues.q]
url = "amqp://rabbit.example"
queue = "answers"
trusted = true

[[queues.q.rules]]
key = "join(':', ['order', id])"
action = "complete"
result = "header('X-Amount') || total"
"""


def load(tmp_path: Path, text: str) -> dict[str, QueueConfig]:
    path = tmp_path / "ringback.toml"
    path.write_text(text, "utf-8")
    return load_queues(path, {})


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> MemoryBroker:
    """Return a broker that takes the place of RabbitMQ."""
    broker = MemoryBroker()
    module = ModuleType("ringback.queues.rabbitmq")
    module.RabbitmqBroker = lambda *_: broker  # type: ignore[attr-defined]  # - a module for a test
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return broker


@asynccontextmanager
async def consuming(
    store: SqlStore, activities: FakeActivities, clock: ManualClock, queues: dict[str, QueueConfig]
) -> AsyncIterator[None]:
    parts = Parts(fake_edges(store, activities, clock, queues=queues))
    services = (parts.answer_service, parts.event_service, parts.heartbeat_service)
    async with run_services(*services, *build_consumers(parts)):
        yield


async def opened(store: SqlStore, activities: FakeActivities, alias: str) -> Callback:
    ref = factories.activity_ref()
    activities.schedule(ref)
    return await open_callback(store, activities, ref, aliases=(alias,))


@pytest.mark.parametrize("batch", [False, True])
async def test_rules_of_the_configuration_answer(
    tmp_path: Path,
    broker: MemoryBroker,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
    *,
    batch: bool,
) -> None:
    text = TRUSTED.replace("trusted", 'batch = "[@]"\ntrusted') if batch else TRUSTED
    callback = await opened(store, activities, "order:7")

    async with consuming(store, activities, clock, load(tmp_path, text)):
        broker.publish(b'{"id": "7"}', **{"x-amount": "12"})
        while broker.left:
            await idle()
        await idle()
        events = await store.list_events("default", limit=10)

    assert [(one.source, one.state) for one in events] == [("q", EventState.MATCHED)]
    accepted = (await reload(store, callback)).accepted
    assert accepted is not None
    assert accepted.outcome.result == b'"12"'  # type: ignore[union-attr]  # - it is a result


async def test_queue_without_rules_answers_by_link(
    tmp_path: Path,
    broker: MemoryBroker,
    store: SqlStore,
    activities: FakeActivities,
    clock: ManualClock,
) -> None:
    callback = await opened(store, activities, "a")
    link = factories.keyring().sign(factories.link(to=callback.id))
    queues = load(tmp_path, TRUSTED.partition("trusted")[0])

    async with consuming(store, activities, clock, queues):
        broker.publish(b"1", ringback_link=link)
        await idle()

    assert (await reload(store, callback)).state is State.ACCEPTED


@pytest.mark.parametrize(
    ("url", "place", "kind"),
    [
        ("amqp://x", "queue", "RabbitmqBroker"),
        ("nats://x", "stream", "NatsBroker"),
        ("kafka://x", "topic", "KafkaBroker"),
        ("redis://x", "stream", "RedisBroker"),
    ],
)
def test_scheme_chooses_the_driver(tmp_path: Path, url: str, place: str, kind: str) -> None:
    queue = load(tmp_path, f'[queues.q]\nurl = "{url}"\n{place} = "answers"\n')["q"]

    assert type(open_broker(queue)).__name__ == kind


def test_driver_that_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "ringback.queues.rabbitmq", raising=False)
    monkeypatch.setitem(sys.modules, "aio_pika", None)

    with pytest.raises(ConfigurationError) as raised:
        open_broker(load(tmp_path, TRUSTED)["q"])

    said = 'queues.q needs aio_pika; run: pip install "ringback[queues]"'
    assert str(raised.value) == said
