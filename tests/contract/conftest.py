"""A PostgreSQL server and databases on it."""

from collections.abc import AsyncIterator

import pytest

from ringback.store.migrate import upgrade
from ringback.store.postgresql import PostgresqlDatabase
from ringback.testing import ManualClock
from tests.contract.postgresql_server import empty, own_database, server_url


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
async def postgresql() -> str:
    """The URL of a PostgreSQL server."""
    return await server_url()


@pytest.fixture
async def empty_url(postgresql: str) -> AsyncIterator[str]:
    """A new database."""
    async with own_database(postgresql) as url:
        yield url


@pytest.fixture(scope="session")
async def shared_url(postgresql: str) -> AsyncIterator[str]:
    """A database with the newest schema that all tests share."""
    async with own_database(postgresql) as url:
        database = PostgresqlDatabase(url)
        await upgrade(database)
        await database.close()
        yield url


@pytest.fixture
async def url(shared_url: str) -> str:
    """An empty database with the newest schema."""
    await empty(shared_url)
    return shared_url
