"""SQLite: one file on this machine; a commit survives a power cut."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar

from sqlalchemy import Connection as PlainConnection
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from ringback.domain.errors import ConfigurationError, StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock
from ringback.store.database import Connection, Database, InlineConnection, Transaction, run_inline
from ringback.store.unreadable import read_json

T = TypeVar("T")

PATIENCE: Final = timedelta(seconds=10)
"""How long a writer waits for another process's commit."""

_WAL: Final = "PRAGMA journal_mode = WAL"

_PRAGMAS: Final = (
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA cache_size = -16000",
    # A reader that takes long lets the log grow; without a limit it would stay as large.
    "PRAGMA journal_size_limit = 67108864",
)

_BETWEEN_TRIES: Final = 0.005
"""Seconds. Setting WAL mode takes about a millisecond."""

_QUICK_TO_CHECK: Final = 32 * 1024 * 1024
"""Bytes. Every program checks the file when it starts; 32 MiB take 0.1 s."""

_CHECK: Final = text("PRAGMA quick_check(1)")

_SAME_HEADER: Final = text("PRAGMA user_version = 0")


def sqlite_engine(url: str, **options: Any) -> Engine:
    """Create an engine for the database at `url`; `options` are those of `create_engine`."""
    # Errors are logged, and parameters contain payloads.
    engine = create_engine(url, hide_parameters=True, json_deserializer=read_json, **options)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


class LocalDatabase(Database):
    """A SQLite database that only this machine uses.

    Its clock is this machine's. A write locks the whole database, so `lock_now` locks nothing.
    There are no notifications: other processes see a change when they poll.
    """

    def __init__(self, clock: Clock) -> None:
        """Date all rows by `clock`."""
        self._clock = clock

    @property
    def dialect(self) -> str:
        return "sqlite"

    async def now(self, connection: Connection) -> datetime:  # noqa: ARG002 - SQLite has no clock
        return self._clock.now()

    def own_now(self) -> datetime:
        return self._clock.now()

    async def lock_now(self, connection: Connection, ids: Collection[CallbackId]) -> datetime:  # noqa: ARG002 - a write locks the whole database
        return self._clock.now()

    async def check_once(self) -> None:
        pass

    async def _write_nothing(self, connection: Connection) -> None:
        # SQLite writes the page of the file's header even when the value stays the same.
        await connection.execute(_SAME_HEADER)

    def announce_accepted(self) -> None:
        pass

    def announce_settled(self, callback_ids: Sequence[CallbackId]) -> None:
        pass

    async def subscribe(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        pass


class SqliteDatabase(LocalDatabase):
    """A database file."""

    def __init__(self, path: Path, clock: Clock, *, patience: timedelta = PATIENCE) -> None:
        """Use the file `path`, whose folder must exist, and date all rows by `clock`.

        A write waits for other processes for at most `patience`.
        """
        super().__init__(clock)
        self._path = path

        def connect() -> sqlite3.Connection:
            # Not by URL: that would decode %20 in the path and end it at a question mark.
            return sqlite3.connect(
                path, timeout=patience.total_seconds(), check_same_thread=False, uri=False
            )

        self._engine = sqlite_engine("sqlite://", creator=connect, poolclass=QueuePool)
        # SQLite allows one writer at a time. A queue here costs nothing; waiting in SQLite polls.
        self._writer = _Lane(self._engine, name="sqlite-writer")
        self._reader = _Lane(
            self._engine.execution_options(ringback_reads=True), name="sqlite-reader"
        )

    async def check_once(self) -> None:
        """Check the file for damage if it is at most 32 MiB.

        Raises:
            ConfigurationError: The file is damaged.
        """
        if self._path.exists() and self._path.stat().st_size <= _QUICK_TO_CHECK:
            found = await self.read(lambda connection: connection.scalar(_CHECK))
            if found != "ok":
                # SQLite's own report may quote stored data.
                msg = f"the database {self._path} is damaged; {self._rescue}"
                raise ConfigurationError(msg)

    def find_mistake(self, error: StoreUnavailableError) -> str | None:
        cause = getattr(error.__cause__, "orig", None)
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        return self._rescue if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB} else None

    @property
    def _rescue(self) -> str:
        return (
            "restore a backup, or save what can still be read with:"
            f" sqlite3 '{self._path}' .recover | sqlite3 recovered.db"
        )

    async def read(self, transaction: Transaction[T]) -> T:
        """Run the transaction in the reader's thread."""
        async with self._translated():
            return await self._reader.run(transaction)

    async def write(self, transaction: Transaction[T]) -> T:
        """Run the transaction in the writer's thread."""
        async with self._translated():
            return await self._writer.run(transaction)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Connection]:
        """Run the block in this thread, which waits for other writers."""
        async with self._translated():
            with self._engine.begin() as connection:
                yield InlineConnection(connection)

    async def close(self) -> None:
        """Close all connections after the running transactions have ended."""
        for lane in (self._writer, self._reader):
            await lane.close()
        self._engine.dispose()


class _Lane:
    """A thread with a connection of its own, which runs one transaction at a time.

    Taking a connection from the pool and returning it takes as long as a small transaction.
    """

    def __init__(self, engine: Engine, *, name: str) -> None:
        """Connect to `engine` before the first transaction."""
        self._engine = engine
        self._connection: PlainConnection | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=name)

    async def run(self, transaction: Transaction[T]) -> T:
        """Run `transaction`, and return what it returns."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, self._run, transaction)

    async def close(self) -> None:
        """End the thread after the running transaction, and return the connection to the pool."""
        await asyncio.to_thread(self._thread.shutdown)
        self._give_back()

    def _run(self, transaction: Transaction[T]) -> T:
        if self._connection is None:
            self._connection = self._engine.connect()
        with ExitStack() as after_a_failure:
            # The pool resets the connection.
            after_a_failure.callback(self._give_back)
            with self._connection.begin():
                result = run_inline(transaction(InlineConnection(self._connection)))
            after_a_failure.pop_all()
        return result

    def _give_back(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _prepare(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # Python's driver would begin transactions itself, and too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    _use_wal(cursor)
    for pragma in _PRAGMAS:
        cursor.execute(pragma)
    cursor.close()


def _use_wal(cursor: Any) -> None:
    """Set WAL mode; wait for other connections as long as a write does.

    If several connections set it on a new file at the same time, SQLite ignores the timeout: all
    but one fail immediately with "database is locked".

    Raises:
        OperationalError: The mode cannot be set, or the file stayed locked.
    """
    (patience,) = cursor.execute("PRAGMA busy_timeout").fetchone()
    give_up_at = time.monotonic() + patience / 1000
    while True:
        try:
            cursor.execute(_WAL)
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up_at:
                raise
            time.sleep(_BETWEEN_TRIES)
        else:
            return


def _begin(connection: PlainConnection) -> None:
    """Begin a transaction.

    Raises:
        OperationalError: The file cannot be locked or read.
    """
    # A transaction that begins as a reader and then writes may fail instead of waiting.
    is_reader = connection.get_execution_options().get("ringback_reads", False)
    statement = "BEGIN" if is_reader else "BEGIN IMMEDIATE"
    driver: Any = connection.connection.driver_connection
    try:
        # Directly on the driver: SQLAlchemy's overhead is larger than SQLite's work.
        driver.execute(statement)
    except sqlite3.Error as exc:
        raise OperationalError(statement, None, exc) from exc
