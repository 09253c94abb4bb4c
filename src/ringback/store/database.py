"""A database: how to read it, how to write it, and what time it is there."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId

READS: dict[str, bool] = {"ringback_reads": True}
"""The execution options of a transaction that writes nothing."""


class Database(ABC):
    """An engine, with transactions that say what went wrong in Ringback's words."""

    def __init__(self, engine: AsyncEngine) -> None:
        """Use `engine`."""
        self._engine = engine

    @property
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""
        return self._engine.dialect.name

    @abstractmethod
    async def now(self, connection: AsyncConnection) -> datetime:
        """Return this instant, by the one clock that all who use the database share."""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Run the body in a transaction that writes nothing.

        Raises:
            StoreUnavailableError: The database could not be reached.
        """
        async with self._translated(), self._engine.connect() as connection:
            await connection.execution_options(**READS)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Run the body in a transaction that is durable once the block has been left.

        Raises:
            StoreUnavailableError: The database could not be reached or written; nothing was kept.
        """
        async with self._turn(), self._translated(), self._engine.begin() as connection:
            yield connection

    @abstractmethod
    def _turn(self) -> AbstractAsyncContextManager[object]:
        """Return what a writer waits for before it begins."""

    @abstractmethod
    async def begin_upgrade(self, connection: AsyncConnection) -> None:
        """Let nobody else upgrade the schema until the commit, and take the time it needs."""

    @abstractmethod
    async def tell_accepted(self, connection: AsyncConnection) -> None:
        """Tell those who follow, with the commit, that there is something to deliver."""

    @abstractmethod
    async def tell_settled(
        self, connection: AsyncConnection, callback_ids: Sequence[CallbackId]
    ) -> None:
        """Tell those who follow, with the commit, that there are verdicts."""

    @abstractmethod
    async def follow(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """See `News.follow`."""

    async def close(self) -> None:
        """Give all connections back."""
        await self._engine.dispose()

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
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
