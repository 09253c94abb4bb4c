"""Connections: what a transaction sees of one, whichever way it is run.

A transaction is written once, as a coroutine. On PostgreSQL it waits for the network. On SQLite
there is nothing to wait for: it runs whole in a thread, and each hop between threads that it does
not make is time that the event loop has for others.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

from sqlalchemy import Connection as PlainConnection
from sqlalchemy import Dialect, Executable, Result

T = TypeVar("T")

Values: TypeAlias = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class Connection(Protocol):
    """What a transaction uses of a connection; SQLAlchemy's `AsyncConnection` is one."""

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
        """Return what `work`, which knows of no coroutines, returns for the plain connection."""
        ...


Transaction: TypeAlias = Callable[[Connection], Coroutine[Any, Any, T]]


class AtOnce:
    """A connection of this thread: what is awaited of it has ended before it is awaited."""

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


def finished(work: Coroutine[Any, Any, T]) -> T:
    """Run `work`, which waits for nothing, to its end, and return what it returns.

    Raises:
        RuntimeError: It waits: nobody would wake it.
    """
    try:
        work.send(None)
    except StopIteration as ended:
        result: T = ended.value
        return result
    work.close()
    msg = "a transaction waited for something else than its connection"
    raise RuntimeError(msg)
