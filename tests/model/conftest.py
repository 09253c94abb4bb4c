"""What the stores need on which the model runs."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ringback.store.migrate import upgrade
from ringback.store.postgresql import PostgresqlDatabase
from ringback.store.sqlite import SqliteDatabase
from ringback.testing import ManualClock
from tests.contract.postgresql_server import own_database, server_url


@pytest.fixture
async def sqlite_file(tmp_path: Path) -> Path:
    """A database file with the newest schema and nothing in it."""
    path = tmp_path / "empty.db"
    database = SqliteDatabase(path, ManualClock())
    await upgrade(database)
    await database.close()
    return path


@pytest.fixture
async def postgresql_url() -> AsyncIterator[str]:
    """A database with the newest schema."""
    async with own_database(await server_url()) as url:
        database = PostgresqlDatabase(url)
        await upgrade(database)
        await database.close()
        yield url
