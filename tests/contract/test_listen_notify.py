"""What one process commits on PostgreSQL, the others are told at once."""

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
        # Who begins to listen looks once: something may have been missed.
        await subscriber.told_of_accepted()
        yield subscriber
        following.cancel()
    await subscriber.close()


async def test_an_answer_is_told(store: SqlStore, subscriber: Subscriber) -> None:
    callback = await opened(store)
    assert subscriber.was_told_nothing()

    await store.accept([factories.answer(callback.id)])

    await subscriber.told_of_accepted()


async def test_a_default_answer_is_told(store: SqlStore, subscriber: Subscriber) -> None:
    request = factories.request(deadline=timedelta(0), on_deadline=Completed(b"0"))
    (callback,) = await store.open([request])

    await store.accept_defaults([callback.id], factories.outcome_id)

    await subscriber.told_of_accepted()


async def test_a_redelivery_is_told(store: SqlStore, subscriber: Subscriber) -> None:
    callback = await settled(store, State.PARKED)
    await subscriber.told_of_accepted()
    await subscriber.told_of_settled()

    await store.redeliver(callback.id)

    await subscriber.told_of_accepted()


async def test_verdicts_are_told_however_many(store: SqlStore, subscriber: Subscriber) -> None:
    callbacks = await store.open([factories.request() for _ in range(700)])
    await store.accept([factories.answer(callback.id) for callback in callbacks])
    known = await store.find([callback.id for callback in callbacks])

    await store.settle([factories.settlement(callback) for callback in known.values()])

    told: set[CallbackId] = set()
    while len(told) < len(known):
        told |= set(await subscriber.told_of_settled())
    assert told == set(known)


async def test_what_was_not_taken_is_told_to_nobody(
    store: SqlStore, subscriber: Subscriber
) -> None:
    callback = await settled(store, State.APPLIED)
    await subscriber.told_of_accepted()
    await subscriber.told_of_settled()
    stale = factories.settlement(callback, State.PARKED)

    await store.accept([factories.answer(callback.id)])
    await store.settle([stale])
    await store.redeliver(callback.id)
    await settled(store, State.APPLIED)

    (other,) = await subscriber.told_of_settled()
    assert other != callback.id


async def test_who_was_cut_off_listens_again_and_looks_once(
    url: str, store: SqlStore, subscriber: Subscriber
) -> None:
    callback = await opened(store)
    assert subscriber.was_told_nothing()

    await execute(url, CUT_ALL_OFF)

    await subscriber.told_of_accepted()
    await store.accept([factories.answer(callback.id)])
    await subscriber.told_of_accepted()
