"""Waiting events: a million in a store, made by copying one row within the database."""

import sqlite3
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import asyncpg
from pydantic import SecretStr
from sqlalchemy import Table

from benchmarks.filling import POSTGRESQL_INDEXES, SQLITE_INDEXES
from benchmarks.stores import write_out
from ringback.app.stores import opened_store
from ringback.app.system import SystemClock, event_ids
from ringback.domain.event import EventState
from ringback.domain.link import Verb
from ringback.ports.events import NewEvent, SourceDelivery
from ringback.settings import Settings
from ringback.store.event_tables import deliveries, events

_DIGITS: Final = 14
_KEPT: Final = 12
_BODY: Final = b'"' + b"e" * 198 + b'"'
_TTL: Final = timedelta(hours=24)

#: What differs from row to row; `k.n` is the number of the row, `c` the row that is copied.
_ID: Final = f"substr(c.{{id}}, 1, {_KEPT}) || {{padded}}"
_OWN: Final = {
    "id": _ID.replace("{id}", "id"),
    "delivery_id": _ID.replace("{id}", "delivery_id"),
    "digest": "'filled-' || {padded}",
    "delivery_key": "'filled-' || {padded}",
    "alias": "'filled:' || k.n",
    "due_at": "c.due_at + k.n",
}
_SQLITE: Final = f"printf('%0{_DIGITS}d', k.n)"
_POSTGRESQL: Final = f"lpad(k.n::text, {_DIGITS}, '0')"


async def fill_events(store_url: str, count: int) -> None:
    """Add `count` deliveries, each with an event that waits for an alias of its own."""
    await _add_one(store_url)
    if store_url.startswith("sqlite"):
        _fill_sqlite(urlsplit(store_url).path, count - 1)
    else:
        await _fill_postgresql(store_url, count - 1)


async def _add_one(store_url: str) -> None:
    clock = SystemClock()
    event = NewEvent(
        event_ids(clock)(), EventState.WAITING, Verb.COMPLETE, "filled:0", _BODY, wait=_TTL
    )
    digest = sha256(_BODY).hexdigest()
    delivery = SourceDelivery("default", "bench", digest, "filled-0", {}, _BODY, [event])
    async with opened_store(Settings(store=SecretStr(store_url)), clock) as store:
        await store.store_deliveries([delivery])


def _fill_sqlite(file: str, count: int) -> None:
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
        for table in (deliveries, events):
            connection.execute(_copies(table, numbers, _SQLITE))
        for _, definition in indexes:
            connection.execute(definition)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
    write_out(Path(file))


async def _fill_postgresql(url: str, count: int) -> None:
    numbers = f"(SELECT generate_series(1, {count}) AS n)"
    connection = await asyncpg.connect(url)
    try:
        indexes = await connection.fetch(POSTGRESQL_INDEXES)
        for name, _ in indexes:
            await connection.execute(f"DROP INDEX {name}")
        for table in (deliveries, events):
            await connection.execute(_copies(table, numbers, _POSTGRESQL))
        for _, definition in indexes:
            await connection.execute(definition)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def _copies(table: Table, numbers: str, padded: str) -> str:
    names = [f'"{column.name}"' for column in table.c]
    own = {f'"{name}"': sql.format(padded=padded) for name, sql in _OWN.items()}
    values = ", ".join(own.get(name, f"c.{name}") for name in names)
    return (
        f"INSERT INTO {table.name} ({', '.join(names)}) SELECT {values} FROM {numbers} k,"  # noqa: S608 - the columns' names
        f" (SELECT * FROM {table.name} ORDER BY id DESC LIMIT 1) c ORDER BY k.n"
    )
