"""A database: how to read it, how to write it, and what time it is there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ringback.domain.errors import StoreUnavailableError
from ringback.ports.clock import Clock

READS: dict[str, bool] = {"ringback_reads": True}
"""The execution options of a transaction that writes nothing."""


class Database:
    """An engine, with transactions that say what went wrong in Ringback's words."""

    def __init__(self, engine: AsyncEngine, clock: Clock) -> None:
        """Use `engine`; where the database has no clock of its own worth using, `clock` rules."""
        self._engine = engine
        self._clock = clock
        # SQLite takes one writer at a time: queueing here costs nothing, there it means polling.
        self._one_writer = asyncio.Lock()

    @property
    def dialect(self) -> str:
        """`sqlite`, for now."""
        return self._engine.dialect.name

    def now(self) -> datetime:
        """Return the instant that dates what is written."""
        return self._clock.now()

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Run the body in a transaction that sees one state of the database.

        Raises:
            StoreUnavailableError: The database could not be reached.
        """
        async with _translated(), self._engine.connect() as connection:
            await connection.execution_options(**READS)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Run the body in a transaction that is durable once the block has been left.

        Raises:
            StoreUnavailableError: The database could not be reached or written; nothing was kept.
        """
        async with self._one_writer, _translated(), self._engine.begin() as connection:
            yield connection

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    try:
        yield
    except (IntegrityError, DataError, ProgrammingError):
        # What was to be written is wrong, not the database.
        raise
    except (DBAPIError, PoolTimeoutError, OSError) as exc:
        # The statement and its parameters stay out of the message: they hold payloads.
        cause = getattr(exc, "orig", None) or exc
        msg = f"the database is not available: {cause}"
        raise StoreUnavailableError(msg) from exc
