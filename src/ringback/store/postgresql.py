"""PostgreSQL: one database for many machines. Needs asyncpg, which comes with an extra."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from typing import Final, TypeVar

from sqlalchemy import bindparam, event, func, select, text
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ringback.domain.errors import ConfigurationError, StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.store.accept_statement import LOCK_NOW
from ringback.store.asyncpg_connection import AsyncpgConnection, connect
from ringback.store.database import Connection, Database, Transaction
from ringback.store.listen_notify import Announcer, Listener
from ringback.store.postgresql_url import parse_postgresql_url
from ringback.store.unreadable import read_json

T = TypeVar("T")

logger = logging.getLogger(__name__)

PATIENCE: Final = timedelta(seconds=10)
"""For how long a transaction may last, with the wait for a connection: less than a caller waits."""

_POOL: Final = {"pool_size": 5, "max_overflow": 5, "pool_timeout": 5}
"""Ten connections at most, and one that listens. One that is wanted in vain says so in time."""

_UPGRADE_LOCK: Final = 0x72696E676261636B
"""The advisory lock of who upgrades the schema: `ringback` in ASCII."""

_CONTENT: Final = ("22", "23")
"""The classes of SQLSTATE that say that what was to be written is wrong."""

_READ_ONLY: Final = "25006"

_MISTAKES: Final = {
    "28P01": "correct the user or the password in RINGBACK_STORE",
    "28000": "let this user connect to this database: see pg_hba.conf, or the provider's access"
    " rules, and whether it wants sslmode=require",
    "3D000": "create the database, or correct its name in RINGBACK_STORE",
    "3F000": "create the schema, or correct search_path",
    "42501": "grant the user of RINGBACK_STORE what it needs: CONNECT on the database, USAGE and"
    " CREATE on its schema, and the ownership of Ringback's tables",
}
"""The SQLSTATEs that stay until somebody changes something, and what to change."""

_ENCODING: Final = text("SELECT current_setting('server_encoding')")

_NOW: Final = select(func.clock_timestamp())

_INSERT_NO_ROW: Final = text("INSERT INTO outcomes SELECT * FROM outcomes WHERE false")
"""Fails where an answer would fail: without the permission, or in a transaction that only reads."""

_LOG_A_RECORD: Final = text("SELECT pg_logical_emit_message(true, 'ringback', '')")
"""Makes the commit wait for the disk (and for standbys) as an answer's commit does; no row, so
nothing to vacuum."""

_NOTIFY: Final = select(func.pg_notify(bindparam("channel"), bindparam("payload")))


class PostgresqlDatabase(Database):
    """A database on a server. The server's clock rules: those of the machines may differ."""

    def __init__(self, url: str, *, patience: timedelta = PATIENCE) -> None:
        """Use the database at `url` (`postgresql://…`); give a transaction up after `patience`.

        Raises:
            ConfigurationError: A parameter of `url` cannot be used.
        """
        self._address = parse_postgresql_url(url)
        if self._address.ignored:
            names = ", ".join(self._address.ignored)
            logger.warning("parameters of RINGBACK_STORE that have no effect: %s", names)
        self._patience = patience
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self.connect,
            isolation_level="READ COMMITTED",
            # An error that is logged must not tell what somebody answered.
            hide_parameters=True,
            json_deserializer=read_json,
            **_POOL,
        )
        event.listen(self._engine.sync_engine, "handle_error", _leave_a_standby)
        self._announcer = Announcer(self._notify)
        # One statement needs no transaction around it, and so two trips less.
        self._autocommit = self._engine.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def dialect(self) -> str:
        return "postgresql"

    async def read(self, transaction: Transaction[T]) -> T:
        async with self._translated(), self._patiently():
            return await _run(self._autocommit, transaction)

    async def write(self, transaction: Transaction[T]) -> T:
        async with self._translated(), self._patiently():
            return await _run(self._engine, transaction)

    @property
    def commits_statements(self) -> bool:
        return True

    async def write_alone(self, statements: Transaction[T]) -> T:
        return await self.read(statements)

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[AsyncConnection]:
        async with self._translated(), self._patiently(), self._engine.begin() as connection:
            yield connection

    async def close(self) -> None:
        await self._announcer.close()
        await self._engine.dispose()

    async def connect(self) -> AsyncpgConnection:
        """Return a new connection beside the pool's.

        Raises:
            ConfigurationError: The URL cannot be used.
            OSError: There is no answer.
        """
        return await connect(self._address, self._patience)

    async def now(self, connection: Connection) -> datetime:
        now: datetime = (await connection.execute(_NOW)).scalar_one()
        return now

    def own_now(self) -> datetime | None:
        return None

    async def lock_now(self, connection: Connection, ids: Collection[CallbackId]) -> datetime:
        """Lock and read the clock in one statement, which saves a trip."""
        result = await connection.execute(LOCK_NOW, {"ids": sorted(ids)})
        now: datetime = result.scalar_one()
        return now

    def _patiently(self) -> AbstractAsyncContextManager[object]:
        # A server that stands still breaks no connection: this side must give up.
        return asyncio.timeout(self._patience.total_seconds())

    def _is_about_content(self, error: DBAPIError) -> bool:
        state = getattr(error.orig, "sqlstate", None)
        if state is None:
            # What cannot even be sent.
            return isinstance(getattr(error.orig, "__cause__", None), ValueError)
        return str(state).startswith(_CONTENT)

    async def check_once(self) -> None:
        """See `Database.check_once`.

        Raises:
            ConfigurationError: Its encoding is not UTF-8.
        """
        encoding = await self.read(lambda connection: connection.scalar(_ENCODING))
        if encoding != "UTF8":
            msg = (
                f"the database has the encoding {encoding}, which cannot store every text; create"
                " one with: CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
            )
            raise ConfigurationError(msg)

    def find_mistake(self, error: StoreUnavailableError) -> str | None:
        cause = error.__cause__
        while cause is not None:
            advice = _MISTAKES.get(str(getattr(cause, "sqlstate", None)))
            if advice is not None:
                return advice
            cause = cause.__cause__
        return None

    @asynccontextmanager
    async def upgrading(self) -> AsyncIterator[Connection]:
        async with self._translated(), self._engine.begin() as connection:
            for setting in ("statement_timeout", "lock_timeout"):
                await connection.execute(text(f"SET LOCAL {setting} = 0"))
            await connection.execute(select(func.pg_advisory_xact_lock(_UPGRADE_LOCK)))
            yield connection

    async def _write_nothing(self, connection: Connection) -> None:
        await connection.execute(_INSERT_NO_ROW)
        await connection.execute(_LOG_A_RECORD)

    def announce_accepted(self) -> None:
        self._announcer.announce_accepted()

    def announce_settled(self, callback_ids: Sequence[CallbackId]) -> None:
        self._announcer.announce_settled(callback_ids)

    async def _notify(self, channel: str, payload: str) -> None:
        values = {"channel": channel, "payload": payload}
        await self.read(lambda connection: connection.execute(_NOTIFY, values))

    async def subscribe(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        await Listener(self.connect, on_accepted=on_accepted, on_settled=on_settled).run()


async def _run(
    engine: AsyncEngine, transaction: Transaction[T], *, is_second_try: bool = False
) -> T:
    """Return what `transaction` returns; run it again if the pool's connection was lost.

    Pinging a connection before each use would make three trips more.

    Raises:
        DBAPIError: The database refused it, or the second connection was lost too; or the first
            one was lost at the commit, which may have happened all the same.
    """
    is_done = False
    try:
        async with engine.begin() as connection:
            result = await transaction(connection)
            is_done = True
    except DBAPIError as exc:
        if is_second_try or is_done or not exc.connection_invalidated:
            raise
    else:
        return result
    return await _run(engine, transaction, is_second_try=True)


def _leave_a_standby(context: ExceptionContext) -> None:
    """Give up connections to a server that writes no more: the next one may find who does."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
