"""A database: how to read it, how to write it, and what time it is there."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from datetime import datetime
from typing import Final

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId

READS: dict[str, bool] = {"ringback_reads": True}
"""The execution options of a transaction that writes nothing."""

_NO_ANSWER: Final = "it does not answer in time"


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
        async with self._translated(), self._patiently(), self._engine.connect() as connection:
            await connection.execution_options(**READS)
            async with connection.begin():
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        """Run the body in a transaction that is durable once the block has been left.

        Raises:
            StoreUnavailableError: The database could not be reached or written; nothing was kept.
        """
        async with (
            self._translated(),
            self._patiently(),
            self._alone(),
            self._engine.begin() as connection,
        ):
            yield connection

    @asynccontextmanager
    async def upgrading(self) -> AsyncIterator[AsyncConnection]:
        """Run the body in a transaction beside which nobody else upgrades the schema.

        Raises:
            StoreUnavailableError: The database could not be reached or written; nothing was kept.
        """
        async with self.writing() as connection:
            yield connection

    def _alone(self) -> AbstractAsyncContextManager[object]:
        """Return what a writer waits for before it begins."""
        return nullcontext()

    def _patiently(self) -> AbstractAsyncContextManager[object]:
        """Return what gives a transaction up that takes too long, with a `TimeoutError`."""
        return nullcontext()

    def _is_about_content(self, error: DBAPIError) -> bool:
        """Tell whether what was to be written is wrong, not the database."""
        return isinstance(error, IntegrityError | DataError | ProgrammingError)

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
        except DBAPIError as exc:
            if self._is_about_content(exc):
                raise
            # The statement and its parameters stay out of the message: they hold payloads.
            raise _unavailable(exc.orig) from exc
        except TimeoutError as exc:
            raise _unavailable(_NO_ANSWER) from exc
        except (PoolTimeoutError, OSError) as exc:
            raise _unavailable(exc) from exc


def _unavailable(why: object) -> StoreUnavailableError:
    return StoreUnavailableError(f"the database is not available: {why}")
