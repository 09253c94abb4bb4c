"""A database: its connections, its transactions and its clock.

A transaction is written once, as a coroutine. On PostgreSQL it waits for the network. On SQLite it
never waits: it runs in one thread from start to end, because each switch between threads costs the
event loop time.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection as PlainConnection
from sqlalchemy import Dialect, Executable, Result
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ringback.domain.errors import StoreUnavailableError
from ringback.domain.ids import CallbackId

P = ParamSpec("P")
T = TypeVar("T")

Values: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Connection(Protocol):
    """The methods of SQLAlchemy's `AsyncConnection` that transactions use."""

    @property
    def dialect(self) -> Dialect:
        """The database's dialect."""
        ...

    async def execute(self, statement: Executable, parameters: Values | None = None, /) -> Any:
        """Execute `statement` once, or once with each of several parameters."""
        ...

    async def scalar(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> Any:
        """Execute `statement` and return its first value."""
        ...

    async def run_sync(self, work: Callable[[PlainConnection], T], /) -> T:
        """Return what the plain function `work` returns for the plain connection."""
        ...


Transaction: TypeAlias = Callable[[Connection], Coroutine[Any, Any, T]]


class InlineConnection:
    """A connection that runs statements in this thread; no call waits for the event loop."""

    def __init__(self, connection: PlainConnection) -> None:
        """Use `connection`."""
        self._connection = connection

    @property
    def dialect(self) -> Dialect:
        return self._connection.dialect

    async def execute(
        self, statement: Executable, parameters: Values | None = None, /
    ) -> Result[Any]:
        return self._connection.execute(statement, parameters)

    async def scalar(
        self, statement: Executable, parameters: Mapping[str, Any] | None = None, /
    ) -> Any:
        return self._connection.scalar(statement, parameters)

    async def run_sync(self, work: Callable[[PlainConnection], T], /) -> T:
        return work(self._connection)


def run_inline(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine that never waits, and return what it returns.

    Raises:
        RuntimeError: It waited; nothing would resume it.
    """
    try:
        work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    work.close()
    msg = "a transaction waited for something other than its connection"
    raise RuntimeError(msg)


_NO_ANSWER: Final = "it did not respond in time"


class Database(ABC):
    """A database; it raises `StoreUnavailableError` when it cannot be reached or written."""

    @property
    @abstractmethod
    def dialect(self) -> str:
        """`sqlite` or `postgresql`."""

    @abstractmethod
    async def now(self, connection: Connection) -> datetime:
        """Return the current time of the clock that all users of the database share."""

    @abstractmethod
    def own_now(self) -> datetime | None:
        """Return the time of this process if its clock dates all rows, else `None`."""

    @abstractmethod
    async def lock_now(self, connection: Connection, ids: Collection[CallbackId]) -> datetime:
        """Lock these callbacks until the commit; return the time at which all were locked."""

    async def read(self, transaction: Transaction[T]) -> T:
        """Run a transaction that only reads, and return what it returns.

        Raises:
            StoreUnavailableError: The database could not be reached.
        """
        return await self.write(transaction)

    async def write(self, transaction: Transaction[T]) -> T:
        """Run a transaction; return what it returns once its writes are durable.

        Raises:
            StoreUnavailableError: The database could not be reached or written; nothing was stored.
        """
        async with self.writing() as connection:
            return await transaction(connection)

    @property
    def commits_statements(self) -> bool:
        """Whether a single statement that commits at once saves trips to the database."""
        return False

    async def write_alone(self, statements: Transaction[T]) -> T:
        """Run `statements`, each of which commits by itself, and return what it returns.

        Raises:
            StoreUnavailableError: The database could not be reached or written; the last statement
                may have been committed.
        """
        return await self.write(statements)

    @abstractmethod
    def writing(self) -> AbstractAsyncContextManager[Connection]:
        """Run the block in a transaction that is durable once the block ends.

        Raises:
            StoreUnavailableError: The database could not be reached or written; nothing was stored.
        """

    @asynccontextmanager
    async def upgrading(self) -> AsyncIterator[Connection]:
        """Run the block in a transaction, while no other process upgrades the schema.

        Raises:
            StoreUnavailableError: The database could not be reached or written; nothing was stored.
        """
        async with self.writing() as connection:
            yield connection

    def _is_about_content(self, error: DBAPIError) -> bool:
        """Return whether the statement or its values are wrong, and not the database."""
        return isinstance(error, IntegrityError | DataError | ProgrammingError)

    @abstractmethod
    async def check_once(self) -> None:
        """Check the database when a program starts.

        Raises:
            ConfigurationError: The database cannot store answers; the message says what to change.
            StoreUnavailableError: The database could not be reached.
        """

    def find_mistake(self, error: StoreUnavailableError) -> str | None:  # noqa: ARG002 - by default there is no advice
        """Return what to do about `error`; `None` if retries may succeed."""
        return None

    async def check_write(self) -> None:
        """Commit a tiny write that leaves nothing behind.

        Raises:
            StoreUnavailableError: The database could not be reached or written.
        """
        await self.write(self._write_nothing)

    @abstractmethod
    async def _write_nothing(self, connection: Connection) -> None:
        """Make the commit write to disk without changing any data."""

    @abstractmethod
    def announce_accepted(self) -> None:
        """Notify other processes soon of a committed answer.

        Best effort, like `announce_settled`: other processes also poll.
        """

    @abstractmethod
    def announce_settled(self, callback_ids: Sequence[CallbackId]) -> None:
        """Notify other processes soon of committed verdicts."""

    @abstractmethod
    async def subscribe(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """Call back for commits of other processes until canceled."""

    @abstractmethod
    async def close(self) -> None:
        """Close all connections."""

    @asynccontextmanager
    async def _translated(self) -> AsyncIterator[None]:
        try:
            yield
        except DBAPIError as exc:
            if self._is_about_content(exc):
                raise
            # Only the driver's message: the statement's parameters contain payloads.
            raise _unavailable(exc.orig) from exc
        except TimeoutError as exc:
            raise _unavailable(_NO_ANSWER) from exc
        except (PoolTimeoutError, OSError) as exc:
            raise _unavailable(exc) from exc


def _unavailable(why: object) -> StoreUnavailableError:
    return StoreUnavailableError(f"the database is not available: {why}")


class SqlPart:
    """A part of the store. Its methods are transactions, made by `reads` and `writes`."""

    def __init__(self, database: Database) -> None:
        """Store everything in `database`, whose schema is the newest."""
        self._database = database


S = TypeVar("S", bound=SqlPart)

_Steps: TypeAlias = Callable[Concatenate[S, Connection, P], Coroutine[Any, Any, T]]
_Method: TypeAlias = Callable[Concatenate[S, P], Coroutine[Any, Any, T]]


def reads(steps: _Steps[S, P, T]) -> _Method[S, P, T]:
    """Make a method of `steps`, which only read on a connection."""
    return _method(steps, lambda database: database.read)


def writes(steps: _Steps[S, P, T]) -> _Method[S, P, T]:
    """Make a method of `steps`, which write on a connection; it returns once they are durable."""
    return _method(steps, lambda database: database.write)


def _method(
    steps: _Steps[S, P, T],
    way: Callable[[Database], Callable[[Transaction[T]], Coroutine[Any, Any, T]]],
) -> _Method[S, P, T]:
    @wraps(steps)
    async def method(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await way(self._database)(lambda it: steps(self, it, *args, **kwargs))

    return method
