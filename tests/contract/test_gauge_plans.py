"""Metrics read indexes: a scrape costs the same at a thousand callbacks and at a million."""

from typing import Any, Final

import pytest
from sqlalchemy import text

from ringback.domain.callback import State
from ringback.ports.gauges import MOST, Countable
from ringback.store import gauges
from ringback.store.database import Database
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import in_state
from tests.contract.test_query_plans import count_rows, on_postgresql, on_sqlite, steps

__all__ = ["on_postgresql", "on_sqlite"]

MANY: Final = 3_000
READ: Final[dict[str, Any]] = {
    "snapshot": gauges.SNAPSHOT,
    "undelivered": gauges.UNDELIVERED,
    "events": gauges.EVENTS,
    "parked": gauges.PARKED,
    "overdue since": gauges.OVERDUE_SINCE,
    "overdue": gauges.OVERDUE,
    "first parked": gauges.FIRST_PARKED,
    "link keys": gauges.LINK_KEYS,
    "longest undelivered": gauges.LONGEST_UNDELIVERED,
    "given up webhooks": gauges.GIVEN_UP_WEBHOOKS,
    "given up notifications": gauges.GIVEN_UP_NOTIFICATIONS,
    "failing webhooks": gauges.FAILING_WEBHOOKS,
    "failing notifications": gauges.FAILING_NOTIFICATIONS,
    "oldest undelivered": gauges.OLDEST_UNDELIVERED,
    **{f"page of {what.value}": found for what, found in gauges.COUNT_PAGE.items()},
}

COVERED: Final = {
    "undelivered": "ix_outcomes_due",
    "events": "ix_events_due",
    "oldest undelivered": "ix_outcomes_due",
    "page of applied": "ix_outcomes_state",
}
"""What is read from the index alone, without the rows of the table.

Of `callbacks`, too: SQLite calls a partial index covering only if it has the columns of its
condition, but it never follows the entries of `COUNT_PAGE` to the rows.
"""


@pytest.mark.parametrize("name", READ)
async def test_sqlite_scans_no_table(on_sqlite: Database, name: str) -> None:
    plan = await steps(on_sqlite, READ[name])

    assert any("INDEX ix_" in step for step in plan), plan
    for step in plan:
        # An index of what is due may be read from its start; one of callbacks may not.
        assert not step.startswith(("SCAN callbacks", "SCAN outcomes")), plan
        assert step not in {"SCAN events", "SCAN webhooks", "SCAN notifications"}, plan


@pytest.mark.parametrize(("name", "index"), COVERED.items())
async def test_sqlite_reads_the_index_alone(on_sqlite: Database, name: str, index: str) -> None:
    plan = await steps(on_sqlite, READ[name])

    assert any(f"COVERING INDEX {index}" in step for step in plan), plan


async def test_postgresql_reads_few_callbacks_of_many(
    on_postgresql: Database,
    clock: ManualClock,
) -> None:
    store = SqlStore(on_postgresql)
    for _ in range(MANY // 500):
        await store.open([factories.request() for _ in range(500)])
    for state in (State.ACCEPTED, State.PARKED):
        await in_state(store, state)
    async with on_postgresql.writing() as connection:
        for table in ("callbacks", "outcomes"):
            await connection.execute(text(f"ANALYZE {table}"))
    values = {"now": clock.now(), "since": clock.now(), "most": 3, "after": "", "limit": 100}

    read = {name: await count_rows(on_postgresql, READ[name], values) for name in READ}

    pages = {f"page of {what.value}" for what in Countable} | {"link keys"}
    assert {name: rows for name, rows in read.items() if rows and name not in pages} == {}
    assert read["link keys"] <= MOST < MANY
    assert read["page of not closed"] <= 100
