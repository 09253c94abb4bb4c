"""Filling: stores with a million open callbacks, made by copying one row within the database."""

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg

from benchmarks.stores import write_out
from ringback.store.tables import callbacks

_DIGITS: Final = 14
_KEPT: Final = 12
"""The number of characters of an id that are its time, or nearly; the others are ours."""

#: What differs from row to row; `k.n` is the number of the row, `c` the row that is copied.
_OWN: Final = {
    "id": f"substr(c.id, 1, {_KEPT}) || {{padded}}",
    "activity_key": "'filled-' || {padded}",
    "workflow_id": "'filled-' || k.n",
    "run_id": "'filled-' || {padded}",
    "poll_due_at": "c.poll_due_at + k.n",
}
_SQLITE: Final = f"printf('%0{_DIGITS}d', k.n)"
_POSTGRESQL: Final = f"lpad(k.n::text, {_DIGITS}, '0')"

_ENTRIES: Final = (
    "INSERT INTO audit_trail (callback_id, at, kind, facts)"
    " SELECT id, opened_at, 'opened', '{\"attempt\": 1}' FROM callbacks"
    " WHERE workflow_id LIKE 'filled-%' ORDER BY id"
)

#: An index that is made of all rows at once takes less time than one that grows row by row.
SQLITE_INDEXES: Final = (
    "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND name LIKE 'ix%'"
)
POSTGRESQL_INDEXES: Final = "SELECT indexname, indexdef FROM pg_indexes WHERE indexname LIKE 'ix%'"


async def fill(store_url: str, count: int) -> Sequence[str]:
    """Add `count` open callbacks like the newest one of a store; return their ids.

    Each has its own workflow and run, and the entry of its opening in the audit trail.
    """
    if store_url.startswith("sqlite"):
        return _fill_sqlite(urlsplit(store_url).path, count)
    return await _fill_postgresql(store_url, count)


def _fill_sqlite(file: str, count: int) -> Sequence[str]:
    upwards = f"SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}"  # noqa: S608 - a number
    numbers = f"(WITH RECURSIVE s(n) AS ({upwards}) SELECT n FROM s)"  # noqa: S608 - as above
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        # Only while it is filled: what is measured makes every commit durable.
        for pragma in ("synchronous = OFF", "cache_size = -500000", "foreign_keys = OFF"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        indexes = connection.execute(SQLITE_INDEXES).fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        connection.execute(_copies(numbers, _SQLITE))
        connection.execute(_ENTRIES)
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (newest,) = connection.execute("SELECT max(id) FROM callbacks").fetchone()
    finally:
        connection.close()
    write_out(Path(file))
    return _ids(newest, count)


async def _fill_postgresql(url: str, count: int) -> Sequence[str]:
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            # Foreign keys are not checked: what they point at is made here.
            await connection.execute("SET LOCAL session_replication_role = replica")
            numbers = f"(SELECT generate_series(1, {count}) AS n)"
            indexes = await connection.fetch(POSTGRESQL_INDEXES)
            for name, _ in indexes:
                await connection.execute(f"DROP INDEX {name}")
            await connection.execute(_copies(numbers, _POSTGRESQL))
            await connection.execute(_ENTRIES)
            for _, definition in indexes:
                await connection.execute(definition)
        await connection.execute("VACUUM ANALYZE callbacks")
        await connection.execute("VACUUM ANALYZE audit_trail")
        await connection.execute("CHECKPOINT")
        newest = await connection.fetchval("SELECT max(id) FROM callbacks")
    finally:
        await connection.close()
    return _ids(str(newest), count)


def _copies(numbers: str, padded: str) -> str:
    names = [f'"{column.name}"' for column in callbacks.c]
    own = {f'"{name}"': sql.format(padded=padded) for name, sql in _OWN.items()}
    values = ", ".join(own.get(name, f"c.{name}") for name in names)
    return (
        f"INSERT INTO callbacks ({', '.join(names)}) SELECT {values} FROM {numbers} k,"  # noqa: S608 - the columns' names
        " (SELECT * FROM callbacks ORDER BY id DESC LIMIT 1) c ORDER BY k.n"
    )


def _ids(newest: str, count: int) -> Sequence[str]:
    return [f"{newest[:_KEPT]}{number:0{_DIGITS}d}" for number in range(1, count + 1)]
