"""A database: how to read it, how to write it, and what time it is there."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from typing import Final, TypeVar

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.store.connection import Connection, Transaction

T = TypeVar("T")

_NO_ANSWER: Final = "it does not answer in time"


class Database(ABC):
    """Transactions that say what went wrong in Ringback's words."""

    @property
    @abstractmethod
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""

    @abstractmethod
    async def now(self, connection: Connection) -> datetime:
        """Return this instant, by the one clock that all who use the database share."""

    @abstractmethod
    def own_now(self) -> datetime | None:
        """Return this instant if this process's clock dates what is written; `None` if not."""

    @abstractmethod
    async def hold(self, connection: Connection, callback_ids: Collection[CallbackId]) -> datetime:
        """Let nobody else decide on these callbacks until the commit; return from when on."""

    async def read(self, transaction: Transaction[T]) -> T:
        """Return what `transaction` returns, which writes nothing.

        Raises:
            StoreUnavailableError: The database could not be reached.
        """
        return await self.write(transaction)

    async def write(self, transaction: Transaction[T]) -> T:
        """Return what `transaction` returns, once what it wrote is durable.

        Raises:
            StoreUnavailableError: The database could not be reached or written; nothing was kept.
        """
        async with self.writing() as connection:
            return await transaction(connection)

    @property
    def commits_statements(self) -> bool:
        """Whether a single statement that commits at once saves trips to the database."""
        return False

    async def write_alone(self, statements: Transaction[T]) -> T:
        """Return what `statements` returns, each of whose statements is a transaction of its own.

        Raises:
            StoreUnavailableError: The database could not be reached or written; the last statement
                may have been committed all the same.
        """
        return await self.write(statements)

    @abstractmethod
    def writing(self) -> AbstractAsyncContextManager[Connection]:
        """Run the body in a transaction that is durable once the block has been left.

        Raises:
            StoreUnavailableError: The database could not be reached or written; nothing was kept.
        """

    @asynccontextmanager
    async def upgrading(self) -> AsyncIterator[Connection]:
        """Run the body in a transaction beside which nobody else upgrades the schema.

        Raises:
            StoreUnavailableError: The database could not be reached or written; nothing was kept.
        """
        async with self.writing() as connection:
            yield connection

    def _is_about_content(self, error: DBAPIError) -> bool:
        """Tell whether what was to be written is wrong, not the database."""
        return isinstance(error, IntegrityError | DataError | ProgrammingError)

    @abstractmethod
    async def check_once(self) -> None:
        """Check what a program checks once, as it starts.

        Raises:
            ConfigurationError: Answers could not be stored in this database, however often tried.
            StoreUnavailableError: The database could not be reached.
        """

    def find_mistake(self, error: StoreUnavailableError) -> str | None:  # noqa: ARG002 - by default there is none
        """Return what to do, if `error` will come again until somebody does it."""
        return None

    async def check_write(self) -> None:
        """Commit a tiny write that leaves nothing behind.

        Raises:
            StoreUnavailableError: The database could not be reached or written.
        """
        await self.write(self._write_nothing)

    @abstractmethod
    async def _write_nothing(self, connection: Connection) -> None:
        """Make the commit write to disk, without changing anything that is stored."""

    @abstractmethod
    def announce_accepted(self) -> None:
        """Notify other processes soon that there is something to deliver; call it once committed.

        Best effort, as `announce_settled` is: a poll finds what a lost notification was about.
        """

    @abstractmethod
    def announce_settled(self, callback_ids: Sequence[CallbackId]) -> None:
        """Notify other processes soon that there are verdicts; call it once committed."""

    @abstractmethod
    async def subscribe(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """See `ChangeFeed.follow`."""

    @abstractmethod
    async def close(self) -> None:
        """Give all connections back."""

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
