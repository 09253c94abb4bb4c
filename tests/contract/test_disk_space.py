"""Ten rounds of filling and purging need the disk space of two."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from sqlalchemy import text

from ringback.domain.event import EventState
from ringback.domain.outcome import Completed
from ringback.ports.events import NewEvent, SourceDelivery
from ringback.ports.retention import RecordKind
from ringback.store.database import Database
from ringback.store.migrate import upgrade
from ringback.store.sql_store import SqlStore
from ringback.store.sqlite import SqliteDatabase
from ringback.testing import ManualClock
from tests import factories
from tests.contract.manual_clock_database import ManualClockDatabase
from tests.contract.postgresql_server import own_database, server_url

ROUNDS: Final = 10
OF_EACH: Final = 200
BODY: Final = b'"' + b"x" * 2000 + b'"'
DAY: Final = timedelta(days=1)

_SIZE: Final = text(
    "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
    " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
)
_OPTIONS: Final = text("SELECT relname FROM pg_class WHERE reloptions::text LIKE '%scale_factor%'")


async def fill(store: SqlStore, number: int) -> None:
    """Add callbacks that were answered and applied, and events that nobody used."""
    opened = await store.open([factories.request() for _ in range(OF_EACH)])
    await store.accept([factories.answer(one.id, Completed(BODY)) for one in opened])
    answered = await store.find([one.id for one in opened])
    await store.settle([factories.settlement(one) for one in answered.values()])
    ignored = [NewEvent(factories.event_id(), EventState.IGNORED) for _ in range(OF_EACH)]
    await store.store_deliveries([
        SourceDelivery("default", "s", f"{number} {place}", None, {}, BODY, [one])
        for place, one in enumerate(ignored)
    ])


def bytes_in(folder: Path) -> int:
    return sum(one.stat().st_size for one in folder.iterdir())


async def purge(store: SqlStore) -> None:
    for kind, limit in ((RecordKind.CALLBACKS, 50), (RecordKind.EVENTS, 50)):
        after: str | None = None
        while True:
            window = await store.ended[kind].find_ended(DAY, after=after, limit=limit)
            await store.ended[kind].purge(window.ids, DAY)
            after = window.after
            if after is None:
                break


async def sizes_after_rounds(
    database: Database, clock: ManualClock, measure: Callable[[], Awaitable[int]]
) -> list[int]:
    """Return the size of the database after each round of filling and purging."""
    store = SqlStore(database)
    sizes = []
    for number in range(ROUNDS):
        await fill(store, number)
        clock.advance(DAY)
        await purge(store)
        sizes.append(await measure())
    return sizes


@pytest.fixture
async def on_postgresql(clock: ManualClock) -> AsyncIterator[ManualClockDatabase]:
    async with own_database(await server_url()) as url:
        database = ManualClockDatabase(url, clock)
        await upgrade(database)
        yield database
        await database.close()


async def test_sqlite_uses_the_space_of_deleted_rows_again(
    tmp_path: Path, clock: ManualClock
) -> None:
    file = tmp_path / "ringback.db"
    database = SqliteDatabase(file, clock)
    await upgrade(database)

    async def measure() -> int:
        return bytes_in(tmp_path)

    sizes = await sizes_after_rounds(database, clock, measure)
    await database.close()

    assert sizes[1] > OF_EACH * len(BODY)
    # Pages of indexes split now and then; if no space were used again, it would be three times.
    assert max(sizes[2:]) <= sizes[1] * 1.25, sizes


async def test_postgresql_uses_the_space_of_deleted_rows_again(
    on_postgresql: ManualClockDatabase, clock: ManualClock
) -> None:
    async def measure() -> int:
        connection = await on_postgresql.connect()
        try:
            # As autovacuum does within a minute.
            await connection.execute("VACUUM")
        finally:
            await connection.close()
        return int(await on_postgresql.read(lambda it: it.scalar(_SIZE)))

    sizes = await sizes_after_rounds(on_postgresql, clock, measure)

    assert sizes[0] > 0
    assert max(sizes[2:]) <= sizes[1] * 1.1, sizes


async def test_postgresql_vacuums_the_tables_that_retention_empties_early(
    on_postgresql: ManualClockDatabase,
) -> None:
    rows = await on_postgresql.read(lambda it: it.execute(_OPTIONS))

    early = {row.relname for row in rows}
    assert {"callbacks", "outcomes", "audit_trail", "events", "source_deliveries"} <= early


async def test_sqlite_file_gets_smaller_by_vacuum(tmp_path: Path, clock: ManualClock) -> None:
    file = tmp_path / "ringback.db"
    database = SqliteDatabase(file, clock)
    await upgrade(database)
    await fill(SqlStore(database), 0)
    clock.advance(DAY)
    await purge(SqlStore(database))
    await database.close()
    before = file.stat().st_size

    with closing(sqlite3.connect(file)) as connection:
        connection.execute("VACUUM")
    small = file.stat().st_size

    database = SqliteDatabase(file, clock)
    await fill(SqlStore(database), 1)
    await database.close()
    assert before > OF_EACH * len(BODY)
    assert small < before / 2
