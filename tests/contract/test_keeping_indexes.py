"""Due callbacks are found by an index."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Select, text

from ringback.store.activity_polls import DUE_POLLS
from ringback.store.database import Database
from ringback.store.heartbeats import DUE_HEARTBEATS
from ringback.store.migrate import upgrade
from ringback.store.sqlite import SqliteDatabase
from ringback.testing import ManualClock
from tests import factories
from tests.contract.manual_clock_database import ManualClockDatabase
from tests.contract.postgresql_server import own_database, server_url

VALUES: Final = {"now": factories.NOW, "limit": 5, "window": 50}
EXPLAIN: Final = {"sqlite": "EXPLAIN QUERY PLAN", "postgresql": "EXPLAIN"}
ONLY_BY_INDEX: Final = {"sqlite": "SELECT 1", "postgresql": "SET LOCAL enable_seqscan = off"}


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Database]:
    """A new database."""
    if request.param == "sqlite":
        yield SqliteDatabase(tmp_path / "ringback.db", clock)
        return
    async with own_database(await server_url()) as url:
        yield ManualClockDatabase(url, clock)


@pytest.fixture
async def database(empty: Database) -> AsyncIterator[Database]:
    """The database with the newest schema."""
    await upgrade(empty)
    yield empty
    await empty.close()


async def plan(database: Database, statement: Select[Any]) -> str:
    """Return the query plan of a statement on a large table."""
    async with database.writing() as connection:
        await connection.execute(text(ONLY_BY_INDEX[database.dialect]))
        compiled = statement.params(VALUES).compile(
            dialect=connection.dialect, compile_kwargs={"literal_binds": True}
        )
        result = await connection.run_sync(
            lambda it: it.exec_driver_sql(f"{EXPLAIN[database.dialect]} {compiled}")
        )
        return "\n".join(str(row[-1]) for row in result)


@pytest.mark.parametrize(
    ("statement", "indexes"),
    [
        (DUE_POLLS, ["ix_callbacks_poll_due"]),
        (DUE_HEARTBEATS, ["ix_callbacks_heartbeat_due"]),
    ],
    ids=["looks", "beats"],
)
async def test_due_callbacks_are_found_by_an_index(
    database: Database, statement: Select[Any], indexes: list[str]
) -> None:
    found = await plan(database, statement)

    assert [index for index in indexes if index in found] == indexes
