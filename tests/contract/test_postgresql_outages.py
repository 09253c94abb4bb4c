"""PostgreSQL goes away, stands still or has no room, and the process goes on when it is back."""

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
    """A server that runs when a test begins."""
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
    """Check that the call fails as it must, and soon; return what it tells."""
    async with asyncio.timeout(NOT_FOR_EVER):
        with pytest.raises(StoreUnavailableError) as caught:
            await call()
    return "".join(traceback.format_exception(caught.value))


CUT_ITSELF_OFF = text("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(60)")


async def works(store: SqlStore) -> Callback:
    """Use the store once it is back: what was in the pool may be lost meanwhile."""
    async with asyncio.timeout(NOT_FOR_EVER):
        callback = await opened(store)
        await store.accept([factories.answer(callback.id)])
        return await found(store, callback.id)


async def test_a_server_that_was_stopped_and_started_is_used_again(
    cluster: Cluster, store: SqlStore
) -> None:
    before = await opened(store)
    await cluster.stop()

    for _ in range(2):
        await is_refused(lambda: store.accept([factories.answer(before.id)]))
        await is_refused(lambda: store.find([before.id]))
    await cluster.start()

    assert (await works(store)).accepted is not None
    assert await found(store, before.id) == before


async def test_a_server_that_stands_still_is_given_up_in_time_and_used_again(
    cluster: Cluster, store: SqlStore
) -> None:
    before = await opened(store)

    with cluster.frozen():
        told = await asyncio.gather(*(is_refused(lambda: opened(store)) for _ in range(15)))

    assert all("did not respond in time" in one for one in told)
    assert (await works(store)).accepted is not None
    assert await found(store, before.id) == before


async def test_a_process_can_stop_while_the_server_stands_still(
    cluster: Cluster, database: PostgresqlDatabase, store: SqlStore
) -> None:
    await asyncio.gather(*(opened(store) for _ in range(3)))

    with cluster.frozen():
        async with asyncio.timeout(NOT_FOR_EVER):
            await database.close()

    assert (await works(store)).accepted is not None


async def test_connections_that_were_cut_are_replaced(cluster: Cluster, store: SqlStore) -> None:
    await asyncio.gather(*(opened(store) for _ in range(5)))

    await execute(cluster.url(), CUT_ALL_OFF)

    assert (await works(store)).accepted is not None


async def test_a_transaction_that_was_cut_keeps_nothing(
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


async def test_transaction_that_loses_two_connections_is_refused(
    database: PostgresqlDatabase,
) -> None:
    await is_refused(lambda: database.write(lambda connection: connection.execute(CUT_ITSELF_OFF)))


async def test_a_lock_that_somebody_keeps_is_not_waited_for_for_ever(
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


async def test_who_stands_still_in_a_transaction_holds_up_nobody_for_long(
    cluster: Cluster, store: SqlStore
) -> None:
    before = await opened(store)
    stopped = await PostgresqlDatabase(cluster.url(), patience=timedelta(seconds=0.3)).connect()

    await stopped.execute("BEGIN")
    await stopped.execute("UPDATE callbacks SET attempt = 7")
    await store.accept([factories.answer(before.id)])

    assert (await found(store, before.id)).attempt == 1
    stopped.terminate()


async def test_a_pool_in_which_all_are_taken_is_not_waited_for_for_ever(
    database: PostgresqlDatabase, store: SqlStore
) -> None:
    async with AsyncExitStack() as taken:
        for _ in range(10):
            await taken.enter_async_context(database._engine.connect())  # noqa: SLF001 - held longer than a transaction may last
        await is_refused(lambda: opened(store))

    assert (await works(store)).accepted is not None


async def test_a_server_without_a_free_connection_is_told(cluster: Cluster) -> None:
    await execute(cluster.url(), "CREATE ROLE crowded LOGIN PASSWORD 'x' CONNECTION LIMIT 0")
    url = cluster.url().replace("test:geheim%2F%25", "crowded:x")
    database = PostgresqlDatabase(url, patience=PATIENCE)

    assert "too many connections" in await is_refused(lambda: opened(SqlStore(database)))
    await database.close()
    await execute(cluster.url(), "DROP ROLE crowded")


async def test_a_wrong_password_is_told_without_telling_it(cluster: Cluster) -> None:
    database = PostgresqlDatabase(cluster.url("falsch"), patience=PATIENCE)

    with pytest.raises(ConfigurationError, match="correct the user or the password") as caught:
        await upgrade(database)

    told = "".join(traceback.format_exception(caught.value))
    assert 'password authentication failed for user "test"' in told
    assert "falsch" not in told
    await database.close()


async def test_news_go_on_when_the_server_is_back(cluster: Cluster, store: SqlStore) -> None:
    subscriber = Subscriber(cluster.url())
    async with task_group() as group:
        following = group.create_task(subscriber.run())
        await subscriber.told_of_accepted()

        await cluster.stop()
        await cluster.start()

        await subscriber.told_of_accepted()
        await works(store)
        await subscriber.told_of_accepted()
        following.cancel()
    await subscriber.close()


async def test_what_was_told_to_be_kept_is_there_after_a_crash_of_the_server(
    cluster: Cluster, store: SqlStore
) -> None:
    callbacks = [await works(store) for _ in range(5)]

    await cluster.stop()
    await cluster.start()

    for callback in callbacks:
        assert await found(store, callback.id) == callback
        assert len(await kinds(store, callback.id)) == 2
