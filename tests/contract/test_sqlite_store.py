"""The store on SQLite meets the contract, and handles a file's errors."""

import asyncio
import shutil
import sqlite3
import traceback
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.pool import NullPool

from ringback.domain.callback import State
from ringback.domain.errors import ConfigurationError, StoreUnavailableError
from ringback.domain.outcome import Completed
from ringback.store.database import Database
from ringback.store.migrate import upgrade
from ringback.store.sql_store import SqlStore
from ringback.store.sqlite import SqliteDatabase, sqlite_engine
from ringback.store.tables import metadata
from ringback.testing import ManualClock
from tests import factories
from tests.contract.concurrency import ConcurrencyContract
from tests.contract.concurrent_polls import ConcurrentPollsContract
from tests.contract.concurrent_votes import ConcurrentVotesContract
from tests.contract.search import NoChangeFeedContract
from tests.contract.sessions import ConcurrentSessionsContract
from tests.contract.store_contract import StoreContract


@pytest.fixture(scope="session")
async def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the newest schema. A copy takes a tenth of the time that migrations take."""
    path = tmp_path_factory.mktemp("migrated") / "ringback.db"
    database = SqliteDatabase(path, ManualClock())
    await upgrade(database)
    await database.close()
    return path


@pytest.fixture
async def database(migrated: Path, tmp_path: Path, clock: ManualClock) -> AsyncIterator[Database]:
    database = SqliteDatabase(Path(shutil.copy(migrated, tmp_path)), clock)
    yield database
    await database.close()


@pytest.fixture
def store(database: Database) -> SqlStore:
    return SqlStore(database)


class SharedDatabase(SqliteDatabase):
    """A database that one test after another uses, each with a clock of its own."""

    async def start(self, clock: ManualClock) -> None:
        """Delete all rows, and date new ones by `clock`."""
        self._clock = clock
        async with self.writing() as connection:
            for table in reversed(metadata.sorted_tables):
                await connection.execute(table.delete())


@pytest.fixture(scope="session")
async def shared_database(
    migrated: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[SharedDatabase]:
    """The database of the contract: a new one for each test would compile all statements again."""
    path = shutil.copy(migrated, tmp_path_factory.mktemp("shared"))
    database = SharedDatabase(Path(path), ManualClock())
    yield database
    await database.close()


class TestSqliteStore(StoreContract, NoChangeFeedContract):
    @pytest.fixture
    async def database(self, shared_database: SharedDatabase, clock: ManualClock) -> SharedDatabase:
        await shared_database.start(clock)
        return shared_database


@pytest.fixture
async def stores(
    migrated: Path, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Sequence[SqlStore]]:
    path = Path(shutil.copy(migrated, tmp_path))
    databases = [SqliteDatabase(path, clock) for _ in range(4)]
    yield [SqlStore(database) for database in databases]
    for database in databases:
        await database.close()


class TestSqliteConcurrency(
    ConcurrencyContract, ConcurrentPollsContract, ConcurrentSessionsContract
):
    pass


@pytest.mark.thorough
class TestSqliteVoteRaces(ConcurrentVotesContract):
    rounds = 25


async def test_accepted_answer_is_found_by_next_process(
    store: SqlStore, tmp_path: Path, clock: ManualClock
) -> None:
    (callback,) = await store.open([factories.request()])
    await store.accept([factories.answer(callback.id)])
    other = SqliteDatabase(tmp_path / "ringback.db", clock)

    found = await SqlStore(other).find([callback.id])

    assert found[callback.id].state is State.ACCEPTED
    await other.close()


async def test_commit_waits_for_the_disk(database: Database) -> None:
    async with database.writing() as connection:
        synchronous = await connection.scalar(text("PRAGMA synchronous"))
        journal = await connection.scalar(text("PRAGMA journal_mode"))

    assert (synchronous, journal) == (2, "wal")


async def test_several_connections_write_concurrently(tmp_path: Path, clock: ManualClock) -> None:
    databases = [SqliteDatabase(tmp_path / "ringback.db", clock) for _ in range(4)]
    await asyncio.gather(*(upgrade(database) for database in databases))
    stores = [SqlStore(database) for database in databases]
    ref = factories.activity_ref()

    opened = await asyncio.gather(*(store.open([factories.request(ref=ref)]) for store in stores))
    (callback_id,) = {callback.id for (callback,) in opened}
    results = await asyncio.gather(
        *(store.accept([factories.answer(callback_id)]) for store in stores)
    )

    assert sum(result is not None for (result,) in results) == 1
    for database in databases:
        await database.close()


def test_concurrent_connections_to_new_file_wait_for_each_other(tmp_path: Path) -> None:
    def connect(path: Path, together: Barrier) -> str:
        engine = sqlite_engine(f"sqlite:///{path}", poolclass=NullPool)
        together.wait()
        with engine.connect() as connection:
            return str(connection.scalar(text("PRAGMA journal_mode")))

    with ThreadPoolExecutor(4) as threads:
        for number in range(60):
            at_once = partial(connect, tmp_path / f"{number}.db", Barrier(4))
            modes = [threads.submit(at_once) for _ in range(4)]

            assert [mode.result() for mode in modes] == ["wal"] * 4


async def test_read_only_store_raises(tmp_path: Path, clock: ManualClock) -> None:
    database = SqliteDatabase(tmp_path / "missing" / "ringback.db", clock)

    with pytest.raises(StoreUnavailableError, match="unable to open database file"):
        await upgrade(database)

    await database.close()


async def test_store_error_contains_no_payload(store: SqlStore, database: Database) -> None:
    (callback,) = await store.open([factories.request()])
    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE outcomes RENAME COLUMN body TO corpus"))

    with pytest.raises(StoreUnavailableError) as caught:
        await store.accept([factories.answer(callback.id)])

    message = "".join(traceback.format_exception(caught.value))
    assert "no column named body" in message
    assert callback.id not in message
    assert "true" not in message


async def test_file_that_is_not_a_database_is_reported(tmp_path: Path, clock: ManualClock) -> None:
    path = tmp_path / "ringback.db"
    path.write_text("a plain text without any pages" * 50)
    database = SqliteDatabase(path, clock)

    with pytest.raises(ConfigurationError, match=r"file is not a database; restore a backup"):
        await upgrade(database)

    await database.close()


@pytest.mark.parametrize("page", [1, 2, -1], ids=["second", "third", "last"])
async def test_a_file_with_overwritten_pages_is_reported_at_start(
    tmp_path: Path, clock: ManualClock, page: int
) -> None:
    path = tmp_path / "ringback.db"
    database = SqliteDatabase(path, clock)
    await upgrade(database)
    await SqlStore(database).open([factories.request() for _ in range(50)])
    await database.close()
    content = bytearray(path.read_bytes())
    pages = len(content) // 4096
    start = page % pages * 4096
    content[start : start + 4096] = b"confidential" + b"\xff" * 4084
    path.write_bytes(content)

    damaged = SqliteDatabase(path, clock)
    with pytest.raises(ConfigurationError, match=r"restore a backup.*\.recover") as caught:
        await upgrade(damaged)
    await damaged.close()

    assert "confidential" not in str(caught.value)


async def test_schema_of_newer_program_is_rejected(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfigurationError, match="upgrade Ringback"):
        await upgrade(database)


async def test_wait_for_commit_of_another_process_times_out(
    store: SqlStore, tmp_path: Path, clock: ManualClock
) -> None:
    (callback,) = await store.open([factories.request()])
    hasty = SqliteDatabase(tmp_path / "ringback.db", clock, patience=timedelta(0))
    with closing(sqlite3.connect(tmp_path / "ringback.db")) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnavailableError, match="database is locked"):
            await SqlStore(hasty).accept([factories.answer(callback.id)])

    (result,) = await SqlStore(hasty).accept([factories.answer(callback.id)])
    assert result is not None
    await hasty.close()


async def test_failed_rollback_does_not_block_later_transactions(
    store: SqlStore, database: Database
) -> None:
    def fail(_: Connection) -> None:
        msg = "disk I/O error"
        raise OSError(msg)

    async def mistaken(_: object) -> None:
        raise ZeroDivisionError

    assert isinstance(database, SqliteDatabase)
    event.listen(database._engine, "rollback", fail, once=True)  # noqa: SLF001 - a disk has no such switch

    with pytest.raises(StoreUnavailableError, match="disk I/O error"):
        await database.write(mistaken)

    (callback,) = await store.open([factories.request()])
    assert callback.state is State.OPEN


async def test_full_disk_raises_and_stores_nothing(store: SqlStore, database: Database) -> None:
    (callback,) = await store.open([factories.request()])
    large = factories.answer(callback.id, Completed(b'"' + b"x" * 2**20 + b'"'))
    with room_for(database, pages=1):
        with pytest.raises(StoreUnavailableError, match="full"):
            await store.accept([large])

        assert (await store.find([callback.id]))[callback.id] == callback
        assert len(await store.audit_trail(callback.id)) == 1

    (result,) = await store.accept([large])
    assert result is not None


async def test_check_write_fails_while_another_process_locks_the_file(
    store: SqlStore, tmp_path: Path, clock: ManualClock
) -> None:
    hasty = SqliteDatabase(tmp_path / "ringback.db", clock, patience=timedelta(0))
    with closing(sqlite3.connect(tmp_path / "ringback.db")) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(StoreUnavailableError, match="database is locked"):
            await hasty.check_write()

    await store.check_write()
    await hasty.check_write()
    await hasty.close()


async def test_check_write_fails_on_read_only_file(database: Database) -> None:
    assert isinstance(database, SqliteDatabase)
    event.listen(
        database._engine,  # noqa: SLF001 - root may write to any file
        "begin",
        lambda connection: connection.exec_driver_sql("PRAGMA query_only = 1"),
    )

    with pytest.raises(StoreUnavailableError, match="readonly database"):
        await database.check_write()


async def test_check_write_reaches_the_disk(database: Database, tmp_path: Path) -> None:
    log = tmp_path / "ringback.db-wal"
    await database.check_write()
    before = log.stat().st_size

    await database.check_write()

    assert log.stat().st_size > before


@contextmanager
def room_for(database: Database, *, pages: int) -> Iterator[None]:
    """Limit the file to `pages` for the block, or to its current size if that is larger."""
    limit = [pages]

    def set_limit(connection: Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {limit[0]}")

    assert isinstance(database, SqliteDatabase)
    event.listen(database._engine, "begin", set_limit)  # noqa: SLF001 - a store has no such switch
    try:
        yield
    finally:
        limit[0] = 2**30
