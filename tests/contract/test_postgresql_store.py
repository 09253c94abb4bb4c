"""The store on PostgreSQL keeps the promises of a store, and those of a server."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from ringback.ports.clock import Clock
from ringback.store.postgresql import PostgresqlDatabase
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests.contract.at_once import AtOnce
from tests.contract.store_contract import StoreContract


class DatedDatabase(PostgresqlDatabase):
    """A database in which a test says what time it is."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url)
        self._clock = clock

    async def now(self, connection: AsyncConnection) -> datetime:  # noqa: ARG002 - the test's
        return self._clock.now()


class TestPostgresqlAtOnce(AtOnce):
    @pytest.fixture
    async def stores(self, url: str, clock: ManualClock) -> AsyncIterator[Sequence[SqlStore]]:
        databases = [DatedDatabase(url, clock) for _ in range(4)]
        yield [SqlStore(database) for database in databases]
        for database in databases:
            await database.close()


class TestPostgresqlStore(StoreContract):
    @pytest.fixture
    async def store(self, url: str, clock: ManualClock) -> AsyncIterator[SqlStore]:
        database = DatedDatabase(url, clock)
        yield SqlStore(database)
        await database.close()
