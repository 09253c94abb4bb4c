"""Databases for tests on a PostgreSQL server."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Final
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg

from ringback.store.tables import metadata
from tests.services import missing

VARIABLE: Final = "RINGBACK_TEST_POSTGRESQL"
DEFAULT: Final = "postgresql://root@127.0.0.1:5432/postgres"

CUT_ALL_OFF: Final = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
)
"""Terminates all other connections to a database."""


async def server_url() -> str:
    """Return the URL of a running server, or skip the test."""
    url = os.environ.get(VARIABLE, DEFAULT)
    try:
        connection = await asyncpg.connect(url, timeout=5)
    except (OSError, asyncpg.PostgresError):
        missing("PostgreSQL", f"start one on 127.0.0.1:5432 or set {VARIABLE}=postgresql://…")
    await connection.close()
    return url


@asynccontextmanager
async def own_database(server: str) -> AsyncIterator[str]:
    """Create a database for the block; yield its URL. Drop it even if it is in use."""
    url = await create_database(server)
    try:
        yield url
    finally:
        await drop_database(server, url)


async def create_database(server: str) -> str:
    """Create a database; return its URL."""
    name = f"ringback_test_{uuid4().hex}"
    await execute(server, f'CREATE DATABASE "{name}"')
    return urlunsplit(urlsplit(server)._replace(path=f"/{name}"))


async def drop_database(server: str, url: str) -> None:
    """Drop a database even if it is in use."""
    name = urlsplit(url).path.removeprefix("/")
    await execute(server, f'DROP DATABASE "{name}" WITH (FORCE)')


async def execute(url: str, *statements: str) -> None:
    """Execute each statement in a transaction of its own."""
    connection = await asyncpg.connect(url, timeout=5)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def empty(url: str) -> None:
    """Delete all rows: 5 ms. TRUNCATE would create files and take 0.2 s."""
    await execute(url, *(str(table.delete()) for table in reversed(metadata.sorted_tables)))


async def clock_of(url: str) -> datetime:
    connection = await asyncpg.connect(url)
    try:
        now: datetime = await connection.fetchval("SELECT clock_timestamp()")
        return now
    finally:
        await connection.close()
