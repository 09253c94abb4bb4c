"""The cost of a claim of polls does not grow with the number of due callbacks."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from sqlalchemy import Select, text

from ringback.store.activity_polls import DUE_POLLS, OF_RUNS, RUNS_AT_ONCE
from ringback.store.database import Database
from ringback.store.migrate import upgrade
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests.contract.manual_clock_database import ManualClockDatabase
from tests.contract.postgresql_server import own_database, server_url
from tests.contract.stores import SECOND
from tests.contract.wide_runs import open_interleaved

OF_EACH: Final = 10
MOST: Final = 40
_SCANS: Final = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")


@pytest.fixture
async def database(clock: ManualClock) -> AsyncIterator[Database]:
    """A database with 150 due runs of ten callbacks each."""
    async with own_database(await server_url()) as url:
        database = ManualClockDatabase(url, clock)
        await upgrade(database)
        await open_interleaved(SqlStore(database), runs=150, of_each=OF_EACH)
        async with database.writing() as connection:
            # The planner must know that the table is large.
            await connection.execute(text("ANALYZE callbacks"))
            await connection.execute(text("ANALYZE outcomes"))
        clock.advance(SECOND)
        yield database
        await database.close()


async def walked(database: Database, statement: Select[Any], values: dict[str, object]) -> int:
    """Return how many rows of callbacks a statement reads, including those it filters out."""
    async with database.writing() as connection:
        compiled = statement.params(values).compile(
            dialect=connection.dialect, compile_kwargs={"literal_binds": True}
        )
        result = await connection.run_sync(
            lambda it: it.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}")
        )
        plan = result.scalar_one()
    (whole,) = json.loads(plan) if isinstance(plan, str) else plan
    return _read(whole["Plan"])


def _read(node: dict[str, Any]) -> int:
    below = sum(_read(one) for one in node.get("Plans", []))
    if node["Node Type"] not in _SCANS or node["Relation Name"] != "callbacks":
        return below
    thrown_away = node.get("Rows Removed by Filter", 0)
    read: int = round((node["Actual Rows"] + thrown_away) * node["Actual Loops"])
    return below + read


async def test_claim_reads_only_the_due_rows_it_takes(
    database: Database, clock: ManualClock
) -> None:
    read = await walked(database, DUE_POLLS, {"now": clock.now(), "window": MOST})

    assert read == MOST


async def test_claim_reads_only_the_runs_it_asks_for(
    database: Database, clock: ManualClock
) -> None:
    names: dict[str, object] = {}
    for place in range(RUNS_AT_ONCE):
        names |= {f"namespace_{place}": "default", f"workflow_id_{place}": "w"}
        names |= {f"run_id_{place}": f"run-{place}"}

    read = await walked(database, OF_RUNS, {**names, "now": clock.now(), "max_callbacks": MOST})

    assert MOST <= read <= RUNS_AT_ONCE * OF_EACH
