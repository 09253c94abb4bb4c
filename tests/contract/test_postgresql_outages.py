"""The store recovers after PostgreSQL was stopped, frozen, or out of connections or space."""

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta

import pytest
from sqlalchemy import text

from ringback.core.services import task_group
from ringback.domain.callback import Callback
from ringback.domain.errors import ConfigurationError, StoreUnavailableError
from ringback.store.database import Connection
from ringback.store.migrate import upgrade
from ringback.store.postgresql import PostgresqlDatabase
from ringback.store.sql_store import SqlStore
from tests import factories
from tests.contract.postgresql_cluster import Cluster, running_cluster
from tests.contract.postgresql_server import CUT_ALL_OFF, execute
from tests.contract.stores import found, kinds, opened
from tests.contract.subscriber import Subscriber

pytestmark = pytest.mark.thorough

PATIENCE = timedelta(seconds=1)
NOT_FOR_EVER = 15


@pytest.fixture(scope="module")
async def cluster() -> AsyncIterator[Cluster]:
    """A running server."""
    async with running_cluster() as cluster:
        yield cluster


@pytest.fixture
async def database(cluster: Cluster) -> AsyncIterator[PostgresqlDatabase]:
    database = PostgresqlDatabase(cluster.url(), patience=PATIENCE)
    await upgrade(database)
    yield database
    await database.close()


@pytest.fixture
def store(database: PostgresqlDatabase) -> SqlStore:
    return SqlStore(database)


async def is_refused(call: Callable[[], Awaitable[object]]) -> str:
    """Assert that the call raises `StoreUnavailableError` in time; return the message."""
    async with asyncio.timeout(NOT_FOR_EVER):
        with pytest.raises(StoreUnavailableError) as caught:
            await call()
    return "".join(traceback.format_exception(caught.value))


CUT_ITSELF_OFF = text("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(60)")


async def works(store: SqlStore) -> Callback:
    """Use the store after an outage; connections in the pool may be broken."""
    async with asyncio.timeout(NOT_FOR_EVER):
        callback = await opened(store)
        await store.accept([factories.answer(callback.id)])
        return await found(store, callback.id)


async def test_restarted_server_is_used_again(cluster: Cluster, store: SqlStore) -> None:
    before = await opened(store)
    await cluster.stop()

    for _ in range(2):
        await is_refused(lambda: store.accept([factories.answer(before.id)]))
        await is_refused(lambda: store.find([before.id]))
    await cluster.start()

    assert (await works(store)).accepted is not None
    assert await found(store, before.id) == before


async def test_frozen_server_times_out_and_is_used_again(cluster: Cluster, store: SqlStore) -> None:
    before = await opened(store)

    with cluster.frozen():
        texts = await asyncio.gather(*(is_refused(lambda: opened(store)) for _ in range(15)))

    assert all("did not respond in time" in one for one in texts)
    assert (await works(store)).accepted is not None
    assert await found(store, before.id) == before


async def test_process_stops_while_server_is_frozen(
    cluster: Cluster, database: PostgresqlDatabase, store: SqlStore
) -> None:
    await asyncio.gather(*(opened(store) for _ in range(3)))

    with cluster.frozen():
        async with asyncio.timeout(NOT_FOR_EVER):
            await database.close()

    assert (await works(store)).accepted is not None


async def test_broken_connections_are_replaced(cluster: Cluster, store: SqlStore) -> None:
    await asyncio.gather(*(opened(store) for _ in range(5)))

    await execute(cluster.url(), CUT_ALL_OFF)

    assert (await works(store)).accepted is not None


async def test_interrupted_transaction_stores_nothing(
    cluster: Cluster, database: PostgresqlDatabase, store: SqlStore
) -> None:
    before = await opened(store)

    async def write() -> None:
        async with database.writing() as connection:
            await connection.execute(text("UPDATE callbacks SET attempt = 7"))
            await execute(cluster.url(), CUT_ALL_OFF)
            await connection.execute(text("SELECT 1"))

    await is_refused(write)

    assert await found(store, before.id) == before


@pytest.mark.parametrize("how", ["write", "read", "write_alone"])
async def test_transaction_that_lost_its_connection_runs_once_more(
    database: PostgresqlDatabase, how: str
) -> None:
    numbers = iter(range(3))

    async def lose_the_first(connection: Connection) -> int:
        number = next(numbers)
        if number == 0:
            await connection.execute(CUT_ITSELF_OFF)
        return number

    assert await getattr(database, how)(lose_the_first) == 1


async def test_transaction_that_loses_two_connections_fails(
    database: PostgresqlDatabase,
) -> None:
    await is_refused(lambda: database.write(lambda connection: connection.execute(CUT_ITSELF_OFF)))


async def test_wait_for_a_lock_times_out(
    database: PostgresqlDatabase, store: SqlStore, cluster: Cluster
) -> None:
    before = await opened(store)
    patient = PostgresqlDatabase(cluster.url(), patience=timedelta(minutes=1))

    async with patient.writing() as connection:
        await connection.execute(text("UPDATE callbacks SET attempt = 7"))
        await is_refused(lambda: store.accept([factories.answer(before.id)]))
        await connection.rollback()

    await patient.close()
    await store.accept([factories.answer(before.id)])
    assert database.dialect == "postgresql"


async def test_transaction_of_frozen_process_is_ended_by_the_server(
    cluster: Cluster, store: SqlStore
) -> None:
    before = await opened(store)
    stopped = await PostgresqlDatabase(cluster.url(), patience=timedelta(seconds=0.3)).connect()

    await stopped.execute("BEGIN")
    await stopped.execute("UPDATE callbacks SET attempt = 7")
    await store.accept([factories.answer(before.id)])

    assert (await found(store, before.id)).attempt == 1
    stopped.terminate()


async def test_wait_for_a_pooled_connection_times_out(
    database: PostgresqlDatabase, store: SqlStore
) -> None:
    async with AsyncExitStack() as taken:
        for _ in range(10):
            await taken.enter_async_context(database._engine.connect())  # noqa: SLF001 - held longer than a transaction may last
        await is_refused(lambda: opened(store))

    assert (await works(store)).accepted is not None


async def test_server_without_free_connection_raises(cluster: Cluster) -> None:
    await execute(cluster.url(), "CREATE ROLE crowded LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    url = cluster.url().replace("test:geheim%2F%25", "crowded:x")
    database = PostgresqlDatabase(url, patience=PATIENCE)

    assert "too many connections" in await is_refused(lambda: opened(SqlStore(database)))
    await database.close()
    await execute(cluster.url(), "DROP ROLE crowded")


async def test_wrong_password_is_reported_without_the_password(cluster: Cluster) -> None:
    database = PostgresqlDatabase(cluster.url("falsch"), patience=PATIENCE)

    with pytest.raises(ConfigurationError, match="correct the user or the password") as caught:
        await upgrade(database)

    message = "".join(traceback.format_exception(caught.value))
    assert 'password authentication failed for user "test"' in message
    assert "falsch" not in message
    await database.close()


async def test_notifications_continue_after_server_restart(
    cluster: Cluster, store: SqlStore
) -> None:
    subscriber = Subscriber(cluster.url())
    async with task_group() as group:
        following = group.create_task(subscriber.run())
        await subscriber.wait_for_accepted()

        await cluster.stop()
        await cluster.start()

        await subscriber.wait_for_accepted()
        await works(store)
        await subscriber.wait_for_accepted()
        following.cancel()
    await subscriber.close()


async def test_acknowledged_answer_survives_server_crash(cluster: Cluster, store: SqlStore) -> None:
    callbacks = [await works(store) for _ in range(5)]

    await cluster.stop()
    await cluster.start()

    for callback in callbacks:
        assert await found(store, callback.id) == callback
        assert len(await kinds(store, callback.id)) == 2
