"""A database for tests: SQLite in memory, without a file or a thread."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from types import TracebackType
from typing import Self

from sqlalchemy import Engine
from sqlalchemy.pool import NullPool, StaticPool

from ringback.domain.errors import StoreUnavailableError
from ringback.ports.clock import Clock
from ringback.store.database import Connection, InlineConnection
from ringback.store.sqlite import LocalDatabase, sqlite_engine
from ringback.store.tables import metadata


class InMemoryDatabase(LocalDatabase):
    """A new database with the newest schema, for a `SqlStore` that lives as long as a test.

    Each transaction runs on the event loop, and no other task runs until it is committed. Creating
    a database takes less than a millisecond.

    Attributes:
        is_available: If false, every transaction raises `StoreUnavailableError`.

    Example:
        ```python
        @pytest.fixture
        def store() -> Iterator[SqlStore]:
            with InMemoryDatabase(ManualClock()) as database:
                yield SqlStore(database)
        ```
    """

    def __init__(self, clock: Clock) -> None:
        """Create an empty database whose times come from `clock`."""
        super().__init__(clock)
        self.is_available = True
        self._connection = _engine().connect()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.close()

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """Run the body in a transaction.

        Raises:
            StoreUnavailableError: The database was switched off.
        """
        if not self.is_available:
            msg = "the in-memory store was switched off"
            raise StoreUnavailableError(msg)
        async with self._translated():
            with self._connection.begin():
                yield InlineConnection(self._connection)

    async def close(self) -> None:
        """Close the connection, which deletes the data."""
        self._connection.close()


@cache
def _engine() -> Engine:
    """Return the engine of all databases, which compiles each statement once per process."""
    template = sqlite3.connect(":memory:", check_same_thread=False)
    metadata.create_all(sqlite_engine("sqlite://", creator=lambda: template, poolclass=StaticPool))

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", check_same_thread=False)
        template.backup(connection)
        return connection

    return sqlite_engine("sqlite://", creator=connect, poolclass=NullPool)
