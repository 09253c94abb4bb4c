"""A consumer of a queue in memory, with everything that its messages reach."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from ringback.core.aliases import AliasService
from ringback.core.events import EventService
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.core.queue_consumer import QueueConsumer
from ringback.core.queue_messages import MessageReader, QueueRules, ReadAnswer, ToEvents
from ringback.core.services import run_services
from ringback.domain.callback import Callback
from ringback.domain.event import EventSummary
from ringback.domain.link import ALL_VERBS, Keyring
from ringback.gateway.body import TO_OUTCOME, read_message
from ringback.ports.events import SourceDelivery
from ringback.ports.store import Answer
from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle
from tests.memory_broker import MemoryBroker
from tests.pollers import heartbeat_service
from tests.unit.core.callbacks import open_callback, reload

LIMIT: Final = 100_000
MINUTE: Final = timedelta(minutes=1)
QUEUE: Final = "orders"


class LoggedStore(SqlStore):
    """A store that writes each commit to the log of the broker."""

    def __init__(self, database: InMemoryDatabase, log: list[str]) -> None:
        super().__init__(database)
        self._log = log

    async def accept(self, answers: Sequence[Answer]) -> Sequence[datetime | None]:
        accepted = await super().accept(answers)
        self._log.append("committed an answer")
        return accepted

    async def store_deliveries(self, received: Sequence[SourceDelivery]) -> Sequence[bool]:
        stored = await super().store_deliveries(received)
        self._log += [f"committed {one.body!r}" for one in received]
        return stored


@dataclass
class QueueHouse:
    """A consumer, and what its messages reach; `deliveries` are what it has stored."""

    broker: MemoryBroker
    store: LoggedStore
    database: InMemoryDatabase
    activities: FakeActivities
    clock: ManualClock
    keyring: Keyring
    deliveries: list[SourceDelivery] = field(default_factory=list)

    async def open(self, **options: Any) -> Callback:
        ref = factories.activity_ref()
        self.activities.schedule(ref)
        return await open_callback(self.store, self.activities, ref, **options)

    def link(self, callback: Callback, **facts: Any) -> str:
        link = factories.link(to=callback.id, **{"verbs": ALL_VERBS, **facts})
        return self.keyring.url("https://ring.example", link)

    async def reload(self, callback: Callback) -> Callback:
        return await reload(self.store, callback)

    async def events(self) -> list[EventSummary]:
        """Return all events, the oldest first, once nothing moves."""
        await idle()
        return list(await self.store.list_events("default", limit=1000))[::-1]

    async def wait(self, by: timedelta = MINUTE) -> None:
        """Let time pass once nothing moves."""
        await idle()
        self.clock.advance(by)
        await idle()


async def rules(body: bytes, headers: Mapping[str, str]) -> Sequence[Any]:
    """Return an event for each alias in a body such as `a b`; `!` is a rule that fails."""
    del headers
    return [
        factories.dead_event() if one == "!" else factories.waiting_event(one)
        for one in body.decode().split()
    ]


@asynccontextmanager
async def consuming(
    clock: ManualClock,
    *,
    is_trusted: bool = False,
    prefetch: int = 4,
    to_events: ToEvents | None = None,
    read_answer: ReadAnswer = read_message,
    keyring: Keyring | None = None,
    hooks: Hooks = NO_HOOKS,
) -> AsyncIterator[QueueHouse]:
    """Consume a queue for the block."""
    activities, keys, broker = FakeActivities(), keyring or factories.keyring(), MemoryBroker()
    with InMemoryDatabase(clock) as database:
        store = LoggedStore(database, broker.log)
        answers = factories.answer_service(store, activities)
        heartbeats = heartbeat_service(store, activities)
        events = EventService(
            store,
            AliasService(store, namespace="default"),
            answers,
            heartbeats,
            lambda action, body: TO_OUTCOME[action](body),
            clock=clock,
            jitter=lambda: 1.0,
        )
        house = QueueHouse(broker, store, database, activities, clock, keys)
        reader = MessageReader(
            QueueRules(
                QUEUE,
                is_trusted=is_trusted,
                headers=frozenset({"x-kept", "ringback-link"}),
                ttl=timedelta(hours=1),
                to_events=to_events,
            ),
            answers,
            heartbeats,
            keys,
            read_answer,
            namespace="default",
            body_limit=LIMIT,
            new_event_id=factories.event_id,
            clock=clock,
        )

        class Storing:
            async def store(self, delivery: SourceDelivery) -> bool:
                house.deliveries.append(delivery)
                return await events.store(delivery)

        consumer = QueueConsumer(
            QUEUE,
            broker,
            reader,
            Storing(),
            prefetch=prefetch,
            clock=clock,
            jitter=lambda: 1.0,
            hooks=hooks,
        )
        async with run_services(answers, heartbeats, events, consumer):
            await idle()
            yield house
