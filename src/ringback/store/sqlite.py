"""SQLite: one file on this machine, written so that a commit survives a power cut."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock
from ringback.store.database import Database

_BUSY_SECONDS: Final = 10
"""How long a writer waits for another process's commit."""

_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


class SqliteDatabase(Database):
    """A database file. All who use it are on this machine, so this machine's clock rules."""

    def __init__(self, path: Path, clock: Clock) -> None:
        """Use the file `path`, whose folder must exist, and date everything by `clock`."""
        engine = create_async_engine(
            f"sqlite+aiosqlite:///{path}",
            connect_args={"timeout": _BUSY_SECONDS},
            # An error that is logged must not tell what somebody answered.
            hide_parameters=True,
        )
        event.listen(engine.sync_engine, "connect", _prepare)
        event.listen(engine.sync_engine, "begin", _begin)
        super().__init__(engine)
        self._clock = clock
        # SQLite takes one writer at a time: queueing here costs nothing, there it means polling.
        self._one_writer = asyncio.Lock()

    async def now(self, connection: AsyncConnection) -> datetime:  # noqa: ARG002 - it has no clock
        """See `Database.now`."""
        return self._clock.now()

    def _alone(self) -> AbstractAsyncContextManager[object]:
        return self._one_writer

    async def tell_accepted(self, connection: AsyncConnection) -> None:
        """See `Database.tell_accepted`; a file tells nobody."""

    async def tell_settled(
        self, connection: AsyncConnection, callback_ids: Sequence[CallbackId]
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


def _begin(connection: Connection) -> None:
    # What begins as a reader and then writes may fail at once instead of waiting its turn.
    is_reader = connection.get_execution_options().get("ringback_reads", False)
    connection.exec_driver_sql("BEGIN" if is_reader else "BEGIN IMMEDIATE")
