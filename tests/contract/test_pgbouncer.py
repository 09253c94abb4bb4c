"""The store works through PgBouncer in both modes, with all timeouts of the server."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from ringback.core.services import task_group
from ringback.domain.errors import ConfigurationError
from ringback.store.database import Connection
from ringback.store.migrate import upgrade
from ringback.store.postgresql import PostgresqlDatabase
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests import factories
from tests.contract.concurrency import ConcurrencyContract
from tests.contract.concurrent_polls import ConcurrentPollsContract, SkipLockedContract
from tests.contract.manual_clock_database import ManualClockDatabase
from tests.contract.pgbouncer import pooled
from tests.contract.postgresql_server import execute
from tests.contract.sessions import ConcurrentSessionsContract
from tests.contract.store_contract import StoreContract
from tests.contract.stores import opened
from tests.contract.subscriber import Subscriber

TIMEOUTS: Final = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]

#: Each transaction gets another connection than the one before it.
TRANSACTION_MODE: Final = ["pool_mode = transaction", "server_round_robin = 1"]
SHARED: Final = "?pool_mode=transaction"


@pytest.mark.parametrize(
    "extra",
    [[], [f"ignore_startup_parameters = {','.join(TIMEOUTS)}"], TRANSACTION_MODE],
    ids=["session", "ignoring", "transaction"],
)
async def test_store_through_pgbouncer_has_all_timeouts(empty_url: str, extra: list[str]) -> None:
    async with pooled(empty_url, *extra) as url:
        shared = SHARED if extra is TRANSACTION_MODE else ""
        database = PostgresqlDatabase(url + shared, patience=timedelta(seconds=7))
        await upgrade(database)
        store = SqlStore(database)
        (callback,) = await store.open([factories.request()])
        await store.accept([factories.answer(callback.id)])
        async with database.writing() as connection:
            shown = [await connection.scalar(text(f"SHOW {name}")) for name in TIMEOUTS]
        await database.close()

    assert shown == ["7s", "7s", "7s"]


@pytest.fixture(scope="session")
async def pooled_url(shared_url: str) -> AsyncIterator[str]:
    """The shared database through PgBouncer in transaction mode."""
    async with pooled(shared_url, *TRANSACTION_MODE) as url:
        yield url + SHARED


@pytest.fixture
async def store(pooled_url: str, url: str) -> AsyncIterator[SqlStore]:  # noqa: ARG001 - empties it
    """A store as programs open it."""
    database = PostgresqlDatabase(pooled_url)
    yield SqlStore(database)
    await database.close()


@pytest.fixture(scope="session")
async def pooled_database(pooled_url: str) -> AsyncIterator[ManualClockDatabase]:
    """The database of the contract: a new one for each test would compile all statements again."""
    database = ManualClockDatabase(pooled_url, ManualClock())
    yield database
    await database.close()


@pytest.mark.thorough
class TestStoreThroughPgbouncer(StoreContract):
    @pytest.fixture
    def database(
        self,
        pooled_database: ManualClockDatabase,
        url: str,  # noqa: ARG002 - empties it
        clock: ManualClock,
    ) -> ManualClockDatabase:
        pooled_database.clock = clock
        return pooled_database

    @pytest.fixture
    def store(self, database: ManualClockDatabase) -> SqlStore:
        return SqlStore(database)


@pytest.mark.thorough
class TestConcurrencyThroughPgbouncer(
    ConcurrencyContract, ConcurrentPollsContract, SkipLockedContract, ConcurrentSessionsContract
):
    @pytest.fixture
    async def stores(
        self,
        pooled_url: str,
        url: str,  # noqa: ARG002 - empties it
        clock: ManualClock,
    ) -> AsyncIterator[Sequence[SqlStore]]:
        databases = [ManualClockDatabase(pooled_url, clock) for _ in range(4)]
        yield [SqlStore(database) for database in databases]
        for database in databases:
            await database.close()


async def settings_of_a_read(url: str, *names: str) -> list[object]:
    database = PostgresqlDatabase(url)

    async def show(connection: Connection) -> list[object]:
        return [await connection.scalar(text(f"SHOW {name}")) for name in names]

    shown = await database.read(show)
    await database.close()
    return shown


async def test_shared_connections_have_durable_commits_and_settings_of_the_url(
    empty_url: str,
) -> None:
    name = empty_url.rpartition("/")[2]
    await execute(empty_url, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    async with pooled(empty_url, *TRANSACTION_MODE) as url:
        ours = f"{url}{SHARED}&application_name=it%27s%20%5C%20mine&work_mem=5MB"

        shown = await settings_of_a_read(
            ours, "application_name", "synchronous_commit", "work_mem", "statement_timeout"
        )

    assert shown == ["it's \\ mine", "on", "5MB", "10s"]


async def test_settings_do_not_leak_to_other_clients_of_the_pooler(empty_url: str) -> None:
    async with pooled(empty_url, *TRANSACTION_MODE) as url:
        await settings_of_a_read(f"{url}{SHARED}&work_mem=5MB", "work_mem")
        other = PostgresqlDatabase(url + SHARED)
        async with other.writing() as connection:
            work_mem = await connection.scalar(text("SHOW work_mem"))
        prepared = await other.read(
            lambda it: it.scalar(text("SELECT count(*) FROM pg_prepared_statements"))
        )
        await other.close()

    assert (work_mem, prepared) == ("4MB", 0)


async def test_many_transactions_share_few_connections(empty_url: str) -> None:
    async with pooled(empty_url, *TRANSACTION_MODE, "default_pool_size = 2") as url:
        databases = [PostgresqlDatabase(url + SHARED) for _ in range(4)]
        await asyncio.gather(*map(upgrade, databases))
        stores = [SqlStore(database) for database in databases]
        callbacks = await asyncio.gather(*(opened(store) for store in stores * 10))
        answers = [factories.answer(callback.id) for callback in callbacks]
        await asyncio.gather(
            *(store.accept([one]) for store, one in zip(stores * 10, answers, strict=True))
        )
        found = await stores[0].find([callback.id for callback in callbacks])
        for database in databases:
            await database.close()

    assert all(one.accepted is not None for one in found.values())


async def test_url_without_pool_mode_is_warned_about_once(
    empty_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    for extra in ("", "?pool_mode=session"):
        caplog.clear()
        async with pooled(empty_url) as url:
            database = PostgresqlDatabase(url + extra)
            await upgrade(database)
            await database.close()

        warned = [one.message for one in caplog.records if one.levelno == logging.WARNING]
        assert [("pool_mode=session or" in one) for one in warned] == [True] * (not extra)


async def test_direct_connection_is_not_warned_about(
    empty_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    database = PostgresqlDatabase(empty_url)

    await upgrade(database)
    await database.close()

    assert "pooler" not in caplog.text


async def test_notifications_come_past_the_pooler(
    pooled_url: str, store: SqlStore, url: str
) -> None:
    server = urlsplit(url)
    subscriber = Subscriber(f"{pooled_url}&direct={server.hostname}:{server.port}")
    async with task_group() as group:
        following = group.create_task(subscriber.run())
        # A new listener always reports a possible answer: it may have missed one.
        await subscriber.wait_for_accepted()
        callback = await opened(store)
        await store.accept([factories.answer(callback.id)])

        await subscriber.wait_for_accepted()
        following.cancel()
    await subscriber.close()


async def test_without_direct_connection_nothing_is_listened_to(pooled_url: str) -> None:
    subscriber = Subscriber(pooled_url)

    async with asyncio.timeout(5):
        await subscriber.run()

    await subscriber.close()


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("pool_mode=statement", "use session or transaction"),
        ("direct=db.example/other", "write <host>:<port>"),
    ],
)
def test_wrong_parameter_of_the_pooler_raises(parameter: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        PostgresqlDatabase(f"postgresql://db.example/ringback?{parameter}")
