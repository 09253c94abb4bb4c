"""PostgreSQL notifies other processes of commits."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from ringback.core.services import task_group
from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed
from ringback.store.postgresql import PostgresqlDatabase
from ringback.store.sql_store import SqlStore
from tests import factories
from tests.contract.postgresql_server import CUT_ALL_OFF, execute
from tests.contract.stores import opened, settled
from tests.contract.subscriber import Subscriber


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    database = PostgresqlDatabase(url)
    yield SqlStore(database)
    await database.close()


@pytest.fixture
async def subscriber(url: str) -> AsyncIterator[Subscriber]:
    subscriber = Subscriber(url)
    async with task_group() as group:
        following = group.create_task(subscriber.run())
        # A new listener always reports a possible answer: it may have missed one.
        await subscriber.wait_for_accepted()
        yield subscriber
        following.cancel()
    await subscriber.close()


async def test_answer_is_announced(store: SqlStore, subscriber: Subscriber) -> None:
    callback = await opened(store)
    assert subscriber.has_received_nothing()

    await store.accept([factories.answer(callback.id)])

    await subscriber.wait_for_accepted()


async def test_default_answer_is_announced(store: SqlStore, subscriber: Subscriber) -> None:
    request = factories.request(deadline=timedelta(0), on_deadline=Completed(b"0"))
    (callback,) = await store.open([request])

    await store.accept_defaults([callback.id], factories.outcome_id)

    await subscriber.wait_for_accepted()


async def test_redelivery_is_announced(store: SqlStore, subscriber: Subscriber) -> None:
    callback = await settled(store, State.PARKED)
    await subscriber.wait_for_accepted()
    await subscriber.wait_for_settled()

    await store.redeliver(callback.id)

    await subscriber.wait_for_accepted()


async def test_many_verdicts_are_announced(store: SqlStore, subscriber: Subscriber) -> None:
    callbacks = await store.open([factories.request() for _ in range(700)])
    await store.accept([factories.answer(callback.id) for callback in callbacks])
    known = await store.find([callback.id for callback in callbacks])

    await store.settle([factories.settlement(callback) for callback in known.values()])

    received: set[CallbackId] = set()
    while len(received) < len(known):
        received |= set(await subscriber.wait_for_settled())
    assert received == set(known)


async def test_rejected_answer_is_not_announced(store: SqlStore, subscriber: Subscriber) -> None:
    callback = await settled(store, State.APPLIED)
    await subscriber.wait_for_accepted()
    await subscriber.wait_for_settled()
    stale = factories.settlement(callback, State.PARKED)

    await store.accept([factories.answer(callback.id)])
    await store.settle([stale])
    await store.redeliver(callback.id)
    await settled(store, State.APPLIED)

    (other,) = await subscriber.wait_for_settled()
    assert other != callback.id


async def test_listener_reconnects_and_reports_a_possible_answer(
    url: str, store: SqlStore, subscriber: Subscriber
) -> None:
    callback = await opened(store)
    assert subscriber.has_received_nothing()

    await execute(url, CUT_ALL_OFF)

    await subscriber.wait_for_accepted()
    await store.accept([factories.answer(callback.id)])
    await subscriber.wait_for_accepted()
