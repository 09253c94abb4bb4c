"""SQLite: one file on this machine, written so that a commit survives a power cut."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from sqlalchemy import Connection as PlainConnection
from sqlalchemy import create_engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock
from ringback.store.connection import AtOnce, Connection, Transaction, finished
from ringback.store.database import READS, Database

T = TypeVar("T")

_BUSY_SECONDS: Final = 10
"""How long a writer waits for another process's commit."""

_CONNECT: Final = {"timeout": _BUSY_SECONDS, "check_same_thread": False}

_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -16000",
)


class SqliteDatabase(Database):
    """A database file. All who use it are on this machine, so this machine's clock rules."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Use the file `path`, whose folder must exist, and date everything by `clock`."""
        self._clock = clock
        # An error that is logged must not tell what somebody answered.
        self._engine = create_engine(
            f"sqlite:///{path}",
            connect_args=_CONNECT,
            hide_parameters=True,
            poolclass=QueuePool,
            # A connection forgets its pages when another one has written.
            pool_use_lifo=True,
        )
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "begin", _begin)
        # SQLite takes one writer at a time: queueing here costs nothing, there it means polling.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-writer")
        self._reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-reader")

    @property
    def dialect(self) -> str:
        """See `Database.dialect`."""
        return "sqlite"

    async def read(self, transaction: Transaction[T]) -> T:
        """See `Database.read`; it runs in a thread."""
        return await self._run_in(self._reader, transaction, READS)

    async def peek(self, transaction: Transaction[T]) -> T:
        """See `Database.peek`; it runs in this thread: a hop to another takes longer."""
        async with self._translated():
            return self._run(transaction, READS)

    async def write(self, transaction: Transaction[T]) -> T:
        """See `Database.write`; it runs in a thread, one after another."""
        return await self._run_in(self._writer, transaction, {})

    async def _run_in(
        self, thread: ThreadPoolExecutor, transaction: Transaction[T], options: dict[str, bool]
    ) -> T:
        loop = asyncio.get_running_loop()
        async with self._translated():
            return await loop.run_in_executor(thread, self._run, transaction, options)

    def _run(self, transaction: Transaction[T], options: dict[str, bool]) -> T:
        with self._begun(options) as connection:
            return finished(transaction(connection))

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Connection]:
        """See `Database.reading`; it runs in this thread, which waits."""
        async with self._translated():
            with self._begun(READS) as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """See `Database.writing`; it runs in this thread, which waits."""
        async with self._translated():
            with self._begun({}) as connection:
                yield connection

    @contextmanager
    def _begun(self, options: dict[str, bool]) -> Iterator[Connection]:
        with self._engine.connect().execution_options(**options) as plain, plain.begin():
            yield AtOnce(plain)

    async def close(self) -> None:
        """See `Database.close`; what is under way ends first."""
        for thread in (self._writer, self._reader):
            await asyncio.to_thread(thread.shutdown)
        self._engine.dispose()

    async def now(self, connection: Connection) -> datetime:  # noqa: ARG002 - it has no clock
        """See `Database.now`."""
        return self._clock.now()

    async def hold(self, connection: Connection, callback_ids: Collection[CallbackId]) -> datetime:  # noqa: ARG002 - who writes holds the whole file
        """See `Database.hold`."""
        return self._clock.now()

    async def tell_accepted(self, connection: Connection) -> None:
        """See `Database.tell_accepted`; a file tells nobody."""

    async def tell_settled(
        self, connection: Connection, callback_ids: Sequence[CallbackId]
    ) -> None:
        """See `Database.tell_settled`; a file tells nobody."""

    async def follow(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """See `News.follow`; a file tells nobody."""


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # Python's driver would begin transactions by itself, and later than it should.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _begin(connection: PlainConnection) -> None:
    # What begins as a reader and then writes may fail at once instead of waiting its turn.
    is_reader = connection.get_execution_options().get("ringback_reads", False)
    connection.exec_driver_sql("BEGIN" if is_reader else "BEGIN IMMEDIATE")
