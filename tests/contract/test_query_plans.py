"""Claims find due rows by indexes: their cost does not grow with the number of callbacks."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import ClauseElement, Select, text
from sqlalchemy.sql.compiler import SQLCompiler

from ringback.domain.inbox import NEVER, Show
from ringback.domain.policy import Policy
from ringback.store import (
    deliveries,
    dropped_bodies,
    event_retention,
    notifications,
    result_schemas,
    retention,
)
from ringback.store.activity_polls import DUE_POLLS, OF_RUNS, RUNS_AT_ONCE
from ringback.store.database import Connection, Database
from ringback.store.deadlines import DUE_SENDER_POLLS
from ringback.store.event_statements import ACTIVITY
from ringback.store.heartbeats import DUE_HEARTBEATS
from ringback.store.inbox_statements import INBOXES, RECENT_CHANGES, Walk, merge, search
from ringback.store.migrate import upgrade
from ringback.store.sql_store import SqlStore
from ringback.store.sqlite import SqliteDatabase
from ringback.testing import ManualClock
from tests import factories
from tests.contract.manual_clock_database import ManualClockDatabase
from tests.contract.postgresql_server import own_database, server_url
from tests.contract.stores import SECOND
from tests.contract.wide_runs import open_interleaved

VALUES: Final = {"now": factories.NOW, "limit": 5, "window": 50}
OF_EACH: Final = 10
MOST: Final = 40
ONE_DELIVERY: Final = (
    "INSERT INTO source_deliveries (id, digest, source, headers, body, received_at)"
    " VALUES ('ev_0', 'd', 's1', '{}', '', 0)"
)
MANY_EVENTS: Final = (
    "INSERT INTO events (id, delivery_id, position, namespace, source, received_at, state,"
    " waits_until, tries) SELECT 'ev_' || n, 'ev_0', n, 'default', 's' || n % 5, n, 'ignored', 0, 0"
    " FROM generate_series(1, 5000) AS n"
)
_SCANS: Final = ("Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan")


@pytest.fixture
async def on_sqlite(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Database]:
    database = SqliteDatabase(tmp_path / "ringback.db", clock)
    await upgrade(database)
    yield database
    await database.close()


@pytest.fixture
async def on_postgresql(clock: ManualClock) -> AsyncIterator[Database]:
    async with own_database(await server_url()) as url:
        database = ManualClockDatabase(url, clock)
        await upgrade(database)
        yield database
        await database.close()


@pytest.fixture
async def large(on_postgresql: Database, clock: ManualClock) -> Database:
    """A PostgreSQL database with 150 due runs of ten callbacks each."""
    await open_interleaved(SqlStore(on_postgresql), runs=150, of_each=OF_EACH)
    async with on_postgresql.writing() as connection:
        # The planner must know that the table is large.
        await connection.execute(text("ANALYZE callbacks"))
        await connection.execute(text("ANALYZE outcomes"))
    clock.advance(SECOND)
    return on_postgresql


async def explain(
    connection: Connection, how: str, statement: Select[Any], values: dict[str, object]
) -> Any:
    compiled = statement.params(values).compile(
        dialect=connection.dialect, compile_kwargs={"literal_binds": True}
    )
    return await connection.run_sync(lambda it: it.exec_driver_sql(f"{how} {compiled}"))


async def steps(database: Database, statement: ClauseElement) -> list[str]:
    """Return SQLite's query plan of `statement`, which may have any parameters."""
    async with database.writing() as connection:
        compiled = statement.compile(dialect=connection.dialect)
        assert isinstance(compiled, SQLCompiler)
        values = tuple(1 for _ in compiled.positiontup or ())
        result = await connection.run_sync(
            lambda it: it.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values)
        )
        return [row.detail for row in result]


async def count_rows(
    database: Database,
    statement: Select[Any],
    values: dict[str, object],
    *,
    table: str = "callbacks",
) -> int:
    """Return how many rows of `table` a statement reads, including those it filters out."""
    async with database.writing() as connection:
        result = await explain(connection, "EXPLAIN (ANALYZE, FORMAT JSON)", statement, values)
        plan = result.scalar_one()
    (whole,) = json.loads(plan) if isinstance(plan, str) else plan
    return _rows_of(whole["Plan"], table)


def _rows_of(node: dict[str, Any], table: str) -> int:
    below = sum(_rows_of(one, table) for one in node.get("Plans", []))
    if node["Node Type"] not in _SCANS or node["Relation Name"] != table:
        return below
    filtered_out = node.get("Rows Removed by Filter", 0)
    read: int = round((node["Actual Rows"] + filtered_out) * node["Actual Loops"])
    return below + read


by_index = pytest.mark.parametrize(
    ("statement", "index"),
    [
        (DUE_POLLS, "ix_callbacks_poll_due"),
        (DUE_HEARTBEATS, "ix_callbacks_heartbeat_due"),
        (DUE_SENDER_POLLS, "ix_callbacks_sender_poll_due"),
    ],
    ids=["polls", "heartbeats", "polls of senders"],
)


@by_index
async def test_sqlite_finds_due_callbacks_by_an_index(
    on_sqlite: Database, statement: Select[Any], index: str
) -> None:
    async with on_sqlite.writing() as connection:
        plan = await explain(connection, "EXPLAIN QUERY PLAN", statement, VALUES)

    assert any(index in row.detail for row in plan)


@by_index
async def test_postgresql_finds_due_callbacks_by_an_index(
    on_postgresql: Database, statement: Select[Any], index: str
) -> None:
    async with on_postgresql.writing() as connection:
        # In an empty table, a sequential scan would be cheaper.
        await connection.execute(text("SET LOCAL enable_seqscan = off"))
        plan = await explain(connection, "EXPLAIN", statement, VALUES)

    assert any(index in row[0] for row in plan)


async def test_due_outcomes_are_found_in_index_order(on_sqlite: Database) -> None:
    plan = await steps(on_sqlite, deliveries.CLAIM)

    found = next(n for n, step in enumerate(plan) if "ix_outcomes_due" in step)
    assert "(state=? AND due_at<?)" in plan[found]
    # The limited number of claimed outcomes is sorted once more, to add up their bytes.
    assert "CO-ROUTINE due" in plan[found - 1]
    assert plan[found + 1 : found + 3] == ["SCAN due", "USE TEMP B-TREE FOR ORDER BY"]
    assert sum("TEMP B-TREE" in step for step in plan) == 1


@pytest.mark.parametrize(
    "statement", [notifications.CLAIM, notifications.NEXT_DUE], ids=["claim", "next"]
)
async def test_due_messages_are_found_in_index_order(
    on_sqlite: Database, statement: ClauseElement
) -> None:
    plan = await steps(on_sqlite, statement)

    assert any("ix_notifications_due" in step for step in plan)
    assert not any("SCAN notifications" in step and "INDEX" not in step for step in plan)


async def test_next_due_is_read_from_the_same_index(on_sqlite: Database) -> None:
    plan = await steps(on_sqlite, deliveries.NEXT_DUE)

    assert plan == ["SEARCH outcomes USING COVERING INDEX ix_outcomes_due (state=?)"]


async def test_sqlite_reads_only_the_newest_events_of_a_source(on_sqlite: Database) -> None:
    """At most `newest` events, whatever the size of the table."""
    found = await steps(on_sqlite, ACTIVITY)

    assert "SEARCH events USING INDEX ix_events_source (source=?)" in found
    assert not any("SCAN events" in step for step in found)


async def test_postgresql_reads_only_the_newest_events_of_a_source(
    on_postgresql: Database,
) -> None:
    async with on_postgresql.writing() as connection:
        for statement in (ONE_DELIVERY, MANY_EVENTS, "ANALYZE events"):
            await connection.execute(text(statement))
    values: dict[str, object] = {"source": "s1", "newest": 50, "namespace": "default"}

    assert await count_rows(on_postgresql, ACTIVITY, values, table="events") == 50


async def test_claim_reads_only_the_due_rows_it_takes(large: Database, clock: ManualClock) -> None:
    read = await count_rows(large, DUE_POLLS, {"now": clock.now(), "window": MOST})

    assert read == MOST


async def test_claim_reads_only_the_runs_it_asks_for(large: Database, clock: ManualClock) -> None:
    names: dict[str, object] = {}
    for place in range(RUNS_AT_ONCE):
        names |= {f"namespace_{place}": "default", f"workflow_id_{place}": "w"}
        names |= {f"run_id_{place}": f"run-{place}"}

    read = await count_rows(large, OF_RUNS, {**names, "now": clock.now(), "max_callbacks": MOST})

    assert MOST <= read <= RUNS_AT_ONCE * OF_EACH


@pytest.mark.parametrize(
    ("walk", "index"),
    [
        (Walk(Show.OPEN, omits_voted=True), "ix_assignments_open (inbox=?)"),
        (
            Walk(Show.OPEN, is_continued=True),
            "ix_assignments_open (inbox=? AND (due_at,callback_id)>(?,?))",
        ),
        (Walk(Show.OVERDUE), "ix_assignments_open (inbox=? AND due_at<?)"),
        (
            Walk(Show.DECIDED, is_continued=True),
            "ix_assignments_ended (inbox=? AND ended_at>? AND (ended_at,callback_id)<(?,?))",
        ),
        (Walk(Show.DECIDED, is_by_vote=True), "ix_votes_voter (voter=?)"),
    ],
    ids=["open", "next page", "overdue", "decided", "voted on"],
)
async def test_inbox_is_read_in_index_order(on_sqlite: Database, walk: Walk, index: str) -> None:
    plan = await steps(on_sqlite, walk.statement())

    assert any(index in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan)


async def test_inbox_version_reads_only_recent_changes(on_sqlite: Database) -> None:
    plan = await steps(on_sqlite, RECENT_CHANGES)

    assert any("ix_assignments_changed (changed_at>?)" in step for step in plan)
    assert not any("TEMP B-TREE" in step for step in plan)


@pytest.mark.parametrize("after", [{}, {"after_at": NEVER - SECOND, "after_id": ""}])
async def test_postgresql_reads_only_the_page_of_an_inbox(
    on_postgresql: Database, after: dict[str, object]
) -> None:
    policy = Policy(assignees=("group:finance",))
    await SqlStore(on_postgresql).open([factories.request(policy=policy) for _ in range(2000)])
    async with on_postgresql.writing() as connection:
        await connection.execute(text("ANALYZE assignments"))
    walk = Walk(Show.OPEN, omits_voted=True, is_continued=bool(after))
    values = {"inbox": "group:finance", "voter": "ada", "most": MOST, "skipped": 0, **after}

    read = await count_rows(on_postgresql, walk.statement(), values, table="assignments")

    assert read == MOST


@pytest.fixture
async def in_many_inboxes(on_postgresql: Database) -> Database:
    """A PostgreSQL database with 100 groups of 20 questions each, in turn, and one of 1000."""
    groups = [f"group:{number % 100}" for number in range(2000)] + ["group:big"] * 1000
    requests = [
        factories.request(policy=Policy(assignees=(group,)), deadline=SECOND * (number % 2000 + 60))
        for number, group in enumerate(groups)
    ]
    await SqlStore(on_postgresql).open(requests)
    async with on_postgresql.writing() as connection:
        for table in ("assignments", "search_texts"):
            await connection.execute(text(f"ANALYZE {table}"))
    return on_postgresql


async def test_postgresql_reads_few_places_of_many_inboxes(in_many_inboxes: Database) -> None:
    inboxes = [f"group:{number}" for number in range(100)] + ["group:big"]
    rows = INBOXES.values("postgresql", [(one,) for one in inboxes])
    walk = Walk(Show.OPEN, omits_voted=True)
    values = {**rows, "voter": "ada", "skipped": 0, "skipped_of_all": 0}
    few = {**values, "most": 1, "fitting": 1, "skipped_of_all": MOST - 1}
    async with in_many_inboxes.writing() as connection:
        ((last_at, last_id),) = await connection.execute(merge(walk, "postgresql"), few)
    last = {**values, "most": MOST, "fitting": MOST, "last_at": last_at, "last_id": last_id}
    bounded = Walk(Show.OPEN, omits_voted=True, is_bounded=True)

    read = [
        await count_rows(in_many_inboxes, merge(one, "postgresql"), of, table="assignments")
        for one, of in ((walk, few), (bounded, last))
    ]

    assert read[0] == len(inboxes)
    # One inbox alone has a page of `MOST`: all of them together read little more.
    assert read[1] <= 3 * MOST


async def test_postgresql_search_reads_only_the_texts_that_it_examines(
    in_many_inboxes: Database,
) -> None:
    values = {
        "inbox": "everybody",
        "members": ["group:1"],
        "word_0": "%nowhere%",
        "voter": "ada",
        "most": MOST,
        "skipped": 0,
        "fitting_search": MOST,
    }
    statement = search(Walk(Show.OPEN), 1, None, omits_voted=True)

    read = await count_rows(in_many_inboxes, statement, values, table="search_texts")

    assert read == MOST


@pytest.mark.parametrize("is_bounded", [False, True])
async def test_sqlite_reads_many_inboxes_in_index_order(
    on_sqlite: Database, *, is_bounded: bool
) -> None:
    walk = Walk(Show.OPEN, omits_voted=True, is_bounded=is_bounded)

    plan = await steps(on_sqlite, merge(walk, "sqlite"))

    assert any("ix_assignments_open (inbox=?" in step for step in plan), plan
    assert not any("SCAN assignments" in step or "ORDER BY" in step for step in plan), plan


#: Of every batch: none of them may read a whole table.
OF_RETENTION: Final = {
    "find": retention.FIND,
    "lock": retention.LOCK,
    "owed": retention.OWED,
    "versions": retention.VERSIONS,
    **{f"count {name}": one for name, one in retention.COUNT.items()},
    **{f"delete {name}": one for name, one in retention.DELETE.items()},
    "find events": event_retention.FIND,
    "lock deliveries": event_retention.LOCK,
    "lock events": event_retention.LOCK_EVENTS,
    "delete events": event_retention.DELETE_EVENTS,
    "delete deliveries": event_retention.DELETE,
    "lock bodies": dropped_bodies.LOCK_BODIES,
    "read outcomes": dropped_bodies.READ_OUTCOMES,
    "read votes": dropped_bodies.READ_VOTES,
    "read evidence": dropped_bodies.READ_EVIDENCE,
    "drop bodies": dropped_bodies.DROP,
    "find requests": dropped_bodies.FIND_DELIVERIES,
    "lock requests": dropped_bodies.LOCK_DELIVERIES,
    "lock their events": dropped_bodies.LOCK_EVENTS,
    "drop requests": dropped_bodies.DROP_DELIVERIES,
    "drop answers of events": dropped_bodies.DROP_EVENTS,
    "look at schemas": result_schemas.LOOK,
    "delete schemas": result_schemas.DELETE,
    "keep schemas": result_schemas.KEEP,
}
MANY_ENDED: Final = (
    "UPDATE callbacks SET closed_at = 1000 + substr(id, 4)::bigint,"
    " has_bodies = substr(id, 4)::bigint % 2 = 0"
)


@pytest.mark.parametrize("statement", OF_RETENTION.values(), ids=OF_RETENTION)
async def test_sqlite_deletes_what_ended_without_reading_a_table(
    on_sqlite: Database, statement: ClauseElement
) -> None:
    plan = await steps(on_sqlite, statement)

    scans = [step for step in plan if step.startswith("SCAN") and "json_each" not in step]
    assert not scans, plan


async def test_sqlite_finds_what_ended_in_index_order(on_sqlite: Database) -> None:
    plan = await steps(on_sqlite, retention.FIND)

    assert any("ix_callbacks_ended (has_bodies=?" in step for step in plan), plan
    assert not any("TEMP B-TREE" in step for step in plan), plan


@pytest.mark.parametrize("has_bodies", [True, False])
async def test_postgresql_reads_only_the_window_of_what_ended(
    large: Database, *, has_bodies: bool
) -> None:
    async with large.writing() as connection:
        for statement in (MANY_ENDED, "ANALYZE callbacks"):
            await connection.execute(text(statement))
    place = {"has_bodies": has_bodies, "after_at": 1000, "after_id": ""}

    read = await count_rows(
        large, retention.FIND, {**place, "cutoff": factories.NOW, "limit": MOST}
    )

    assert read == MOST
