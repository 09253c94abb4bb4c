"""The cost of a claim of outcomes does not grow with their number, on SQLite too."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from ringback.store import deliveries
from ringback.store.migrate import upgrade
from ringback.store.sqlite import SqliteDatabase
from ringback.testing import ManualClock


@pytest.fixture
async def database(tmp_path: Path, clock: ManualClock) -> AsyncIterator[SqliteDatabase]:
    database = SqliteDatabase(tmp_path / "ringback.db", clock)
    await upgrade(database)
    yield database
    await database.close()


async def plan_of(database: SqliteDatabase, statement: ClauseElement) -> list[str]:
    """Return SQLite's query plan of `statement`."""
    async with database.writing() as connection:
        compiled = statement.compile(dialect=connection.dialect)
        assert isinstance(compiled, SQLCompiler)
        values = tuple(1 for _ in compiled.positiontup or ())
        result = await connection.run_sync(
            lambda it: it.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)
        )
        return [row.detail for row in result]


async def test_due_outcomes_are_found_in_index_order(
    database: SqliteDatabase,
) -> None:
    plan = await plan_of(database, deliveries.CLAIM)

    assert any("ix_outcomes_due (state=? AND due_at<?)" in step for step in plan)
    assert not any("TEMP B-TREE" in step for step in plan)


async def test_next_due_is_read_from_the_same_index(database: SqliteDatabase) -> None:
    plan = await plan_of(database, deliveries.NEXT_DUE)

    assert plan == ["SEARCH outcomes USING COVERING INDEX ix_outcomes_due (state=?)"]
