"""What one process commits on PostgreSQL, the others are told at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from ringback.core.service import task_group
from ringback.domain.callback import State
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed
from ringback.store.postgresql import PostgresqlDatabase
from ringback.store.sql_store import SqlStore
from tests import factories
from tests.contract.servers import execute
from tests.contract.stores import opened, settled

IN_TIME = 20


class Follower:
    """Another process, and what it was told."""

    def __init__(self, url: str) -> None:
        self._database = PostgresqlDatabase(url)
        self._accepted = asyncio.Event()
        self._settled: asyncio.Queue[list[CallbackId]] = asyncio.Queue()

    async def run(self) -> None:
        await SqlStore(self._database).follow(
            on_accepted=self._accepted.set,
            on_settled=lambda ids: self._settled.put_nowait(list(ids)),
        )

    async def told_of_accepted(self) -> None:
        async with asyncio.timeout(IN_TIME):
            await self._accepted.wait()
        self._accepted.clear()

    async def told_of_settled(self) -> list[CallbackId]:
        async with asyncio.timeout(IN_TIME):
            return await self._settled.get()

    def was_told_nothing(self) -> bool:
        return not self._accepted.is_set() and self._settled.empty()

    async def close(self) -> None:
        await self._database.close()


@pytest.fixture
async def store(url: str) -> AsyncIterator[SqlStore]:
    database = PostgresqlDatabase(url)
    yield SqlStore(database)
    await database.close()


@pytest.fixture
async def follower(url: str) -> AsyncIterator[Follower]:
    follower = Follower(url)
    async with task_group() as group:
        following = group.create_task(follower.run())
        # Who begins to listen looks once: something may have been missed.
        await follower.told_of_accepted()
        yield follower
        following.cancel()
    await follower.close()


async def test_an_answer_is_told(store: SqlStore, follower: Follower) -> None:
    callback = await opened(store)
    assert follower.was_told_nothing()

    await store.accept([factories.answer(callback.id)])

    await follower.told_of_accepted()


async def test_a_default_answer_is_told(store: SqlStore, follower: Follower) -> None:
    wish = factories.wish(answer_within=timedelta(0), on_deadline=Completed(b"0"))
    (callback,) = await store.open([wish])

    await store.take_defaults([callback.id], factories.outcome_id)

    await follower.told_of_accepted()


async def test_a_redelivery_is_told(store: SqlStore, follower: Follower) -> None:
    callback = await settled(store, State.PARKED)
    await follower.told_of_accepted()
    await follower.told_of_settled()

    await store.redeliver(callback.id)

    await follower.told_of_accepted()


async def test_verdicts_are_told_however_many(store: SqlStore, follower: Follower) -> None:
    callbacks = await store.open([factories.wish() for _ in range(700)])
    await store.accept([factories.answer(callback.id) for callback in callbacks])
    known = await store.find([callback.id for callback in callbacks])

    await store.settle([factories.settlement(callback) for callback in known.values()])

    told: set[CallbackId] = set()
    while len(told) < len(known):
        told |= set(await follower.told_of_settled())
    assert told == set(known)


async def test_what_was_not_taken_is_told_to_nobody(store: SqlStore, follower: Follower) -> None:
    callback = await settled(store, State.APPLIED)
    await follower.told_of_accepted()
    await follower.told_of_settled()
    stale = factories.settlement(callback, State.PARKED)

    await store.accept([factories.answer(callback.id)])
    await store.settle([stale])
    await store.redeliver(callback.id)
    await settled(store, State.APPLIED)

    (other,) = await follower.told_of_settled()
    assert other != callback.id


async def test_who_was_cut_off_listens_again_and_looks_once(
    url: str, store: SqlStore, follower: Follower
) -> None:
    callback = await opened(store)
    assert follower.was_told_nothing()

    await execute(url, CUT_ALL_OFF)

    await follower.told_of_accepted()
    await store.accept([factories.answer(callback.id)])
    await follower.told_of_accepted()


CUT_ALL_OFF = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
