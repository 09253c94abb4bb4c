"""Opens the store of the settings and upgrades its schema."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from ringback.domain.errors import ConfigurationError, StoreUnavailableError
from ringback.ports.clock import Clock
from ringback.settings import Settings
from ringback.store.database import Database
from ringback.store.migrate import Upgrade, has_schema, upgrade
from ringback.store.sql_store import SqlStore
from ringback.store.sqlite import SqliteDatabase

_NO_DRIVER: Final = "the store is on PostgreSQL, which needs: pip install 'ringback[postgres]'"

_PERMANENT: Final = (FileExistsError, IsADirectoryError, NotADirectoryError, PermissionError)
"""Errors of the file system that last until a person changes a setting or a file mode."""


@asynccontextmanager
async def existing_store(settings: Settings, clock: Clock) -> AsyncIterator[SqlStore]:
    """Open the store for the block; create no folder, no file and no table.

    Raises:
        ConfigurationError: The store does not exist, a newer Ringback wrote it, or its driver is
            missing.
        StoreUnavailableError: The store cannot be reached; the message says why.
    """
    async with existing_database(settings, clock) as database:
        if not await has_schema(database):
            raise ConfigurationError(_no_store(settings))
        await upgrade(database)
        yield SqlStore(database)


@asynccontextmanager
async def existing_database(settings: Settings, clock: Clock) -> AsyncIterator[Database]:
    """Open the database for the block; create and upgrade nothing.

    Raises:
        ConfigurationError: The file of a SQLite store or the driver is missing.
        StoreUnavailableError: The file cannot be opened; the message says why.
    """
    if settings.postgresql_url is None and not _is_file(settings.database_path):
        raise ConfigurationError(_no_store(settings))
    async with _opened_database(settings, clock) as database:
        yield database


@asynccontextmanager
async def opened_store(settings: Settings, clock: Clock) -> AsyncIterator[SqlStore]:
    """Open the store for the block; create it if it does not exist.

    Raises:
        ConfigurationError: A newer Ringback wrote the store, or its driver is missing.
        StoreUnavailableError: The store cannot be reached; the message says why.
    """
    async with _opened_database(settings, clock) as database:
        await upgrade(database)
        yield SqlStore(database)


async def upgraded(settings: Settings, clock: Clock) -> Upgrade:
    """Upgrade the schema of the store; return the versions before and after.

    Raises:
        ConfigurationError: A newer Ringback wrote the store, or its driver is missing.
        StoreUnavailableError: The store cannot be reached; the message says why.
    """
    async with _opened_database(settings, clock) as database:
        return await upgrade(database)


@asynccontextmanager
async def _opened_database(settings: Settings, clock: Clock) -> AsyncIterator[Database]:
    url = settings.postgresql_url
    database = (
        _sqlite(settings.database_path, clock)
        if url is None
        else _postgresql(url.get_secret_value())
    )
    try:
        yield database
    finally:
        await database.close()


def _no_store(settings: Settings) -> str:
    return (
        f"the store {settings.store_name} does not exist; set RINGBACK_DATA or RINGBACK_STORE as"
        " for the gateway (`ringback serve` and `ringback dev` print it when they start)"
    )


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:
        # Opening it raises the reason.
        return True


def _sqlite(path: Path, clock: Clock) -> Database:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # It contains answers. SQLite gives its other files the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except _PERMANENT as exc:
        msg = (
            f"the store {path} cannot be used ({exc.strerror}: {exc.filename}); set RINGBACK_DATA"
            " to a folder, or RINGBACK_STORE to a file, that this user may write"
        )
        raise ConfigurationError(msg) from exc
    except OSError as exc:
        msg = f"the store {path} cannot be reached: {exc.strerror}"
        raise StoreUnavailableError(msg) from exc
    return SqliteDatabase(path, clock)


def _postgresql(url: str) -> Database:
    try:
        from ringback.store.postgresql import PostgresqlDatabase  # noqa: PLC0415 - an extra
    except ModuleNotFoundError as exc:
        if exc.name != "asyncpg":
            raise
        raise ConfigurationError(_NO_DRIVER) from exc
    return PostgresqlDatabase(url)
