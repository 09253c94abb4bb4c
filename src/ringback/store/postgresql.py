"""PostgreSQL: one database for many machines. Needs the extra `postgres`."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from sqlalchemy import bindparam, event, func, select, text
from sqlalchemy.engine.interfaces import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from ringback.domain.errors import ConfigurationError, StoreUnavailableError
from ringback.domain.ids import CallbackId
from ringback.store.accept_statement import LOCK_NOW
from ringback.store.asyncpg_connection import AsyncpgConnection, connect, parse_postgresql_url
from ringback.store.database import Connection, Database, Transaction
from ringback.store.listen_notify import Announcer, Listener
from ringback.store.unreadable import read_json

T = TypeVar("T")

logger = logging.getLogger(__name__)

PATIENCE: Final = timedelta(seconds=10)
"""Maximum time of a transaction and its wait for a connection; callers wait longer."""

_POOL: Final = {"pool_size": 5, "max_overflow": 5, "pool_timeout": 5}
"""At most ten connections, plus the one that listens."""

UPGRADE_LOCK: Final = 0x72696E676261636B
"""The advisory lock of schema upgrades: `ringback` in ASCII."""

_CONTENT: Final = ("22", "23")
"""The SQLSTATE classes of wrong values: data exceptions and violated constraints."""

_READ_ONLY: Final = "25006"

_WRONG_POOL_MODE: Final = (
    "the pooler is in transaction mode: add the parameter pool_mode=transaction to RINGBACK_STORE"
)

_MISTAKES: Final = {
    "28P01": "correct the user or the password in RINGBACK_STORE",
    "28000": "allow this user to connect to this database: see pg_hba.conf, or the provider's"
    " access rules, and whether it requires sslmode=require",
    "3D000": "create the database, or correct its name in RINGBACK_STORE",
    "3F000": "create the schema, or correct search_path",
    "26000": _WRONG_POOL_MODE,
    "42P05": _WRONG_POOL_MODE,
    "42501": "grant the user of RINGBACK_STORE CONNECT on the database, USAGE and CREATE on its"
    " schema, and ownership of Ringback's tables",
}
"""SQLSTATEs that retries cannot fix, and what to do."""

_CHECK_ONCE: Final = text("SELECT current_setting('server_encoding'), pg_backend_pid()")

_NOW: Final = select(func.clock_timestamp())

_INSERT_NO_ROW: Final = text("INSERT INTO outcomes SELECT * FROM outcomes WHERE false")
"""Fails if an answer would: without permission, or on a read-only server."""

_LOG_A_RECORD: Final = text("SELECT pg_logical_emit_message(true, 'ringback', '')")
"""Makes the commit wait for the disk and for standbys, as the commit of an answer does. It writes
no row, so there is nothing to vacuum."""

_NOTIFY: Final = select(func.pg_notify(bindparam("channel"), bindparam("payload")))


class PostgresqlDatabase(Database):
    """A database on a server. The server's clock dates all rows."""

    def __init__(self, url: str, *, patience: timedelta = PATIENCE) -> None:
        """Use the database at `url` (`postgresql://…`); cancel a transaction after `patience`.

        Raises:
            ConfigurationError: A parameter of `url` is invalid.
        """
        self._address = parse_postgresql_url(url)
        if self._address.ignored:
            names = ", ".join(self._address.ignored)
            logger.warning("parameters of RINGBACK_STORE that have no effect: %s", names)
        self._patience = patience
        is_shared = self._address.is_shared
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self.connect,
            isolation_level="READ COMMITTED",
            # Errors are logged, and parameters contain answers.
            hide_parameters=True,
            json_deserializer=read_json,
            **_POOL,
        )
        event.listen(self._engine.sync_engine, "handle_error", _leave_a_standby)
        self._announcer = Announcer(self._notify)
        # A single statement needs no transaction; that saves two trips. On a shared connection it
        # needs one for its settings.
        self._autocommit = (
            self._engine
            if is_shared
            else self._engine.execution_options(isolation_level="AUTOCOMMIT")
        )

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
        return not self._address.is_shared

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
        """Return a new connection outside the pool.

        Raises:
            ConfigurationError: The URL is invalid.
            OSError: The server does not respond.
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
        # A paused server breaks no connection, so this side needs a timeout.
        return asyncio.timeout(self._patience.total_seconds())

    def _is_about_content(self, error: DBAPIError) -> bool:
        state = getattr(error.orig, "sqlstate", None)
        if state is None:
            # asyncpg could not encode a value.
            return isinstance(getattr(error.orig, "__cause__", None), ValueError)
        return str(state).startswith(_CONTENT)

    async def check_once(self) -> None:
        """Check the encoding, and warn if nothing says how the pooler in between pools.

        Raises:
            ConfigurationError: Its encoding is not UTF-8.
        """
        async with self.writing() as connection:
            encoding, server_process = (await connection.execute(_CHECK_ONCE)).one()
            driver = (await connection.get_raw_connection()).driver_connection
        assert isinstance(driver, AsyncpgConnection), "`connect` made it"
        # A pooler invents the number that it gives to a client.
        if self._address.pool_mode is None and server_process != driver.get_server_pid():
            logger.warning(
                "RINGBACK_STORE leads to a pooler: add the parameter pool_mode=session or"
                " pool_mode=transaction, as the pooler is configured"
            )
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
            await connection.execute(select(func.pg_advisory_xact_lock(UPGRADE_LOCK)))
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
        if self._address.is_shared and self._address.direct_url is None:
            # LISTEN lasts for a session. Polling finds everything a moment later.
            return
        listener = Listener(
            partial(connect, self._address, self._patience, is_direct=True),
            on_accepted=on_accepted,
            on_settled=on_settled,
        )
        await listener.run()


async def _run(
    engine: AsyncEngine, transaction: Transaction[T], *, is_second_try: bool = False
) -> T:
    """Return what `transaction` returns; run it again if the connection was lost before the commit.

    The alternative, a ping before each use of a connection, takes three more trips.

    Raises:
        DBAPIError: The database refused it, or the second connection was lost too, or the first one
            was lost during the commit, which may have succeeded.
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
    """Drop a connection to a read-only server: the next one may reach the new primary."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True
