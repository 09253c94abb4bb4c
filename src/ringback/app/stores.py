"""The store that the settings name, with its schema up to date."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ringback.domain.errors import StoreUnavailableError
from ringback.ports.clock import Clock
from ringback.settings import Settings
from ringback.store.schema import upgrade
from ringback.store.sql_store import SqlStore
from ringback.store.sqlite import SqliteDatabase


@asynccontextmanager
async def opened_store(settings: Settings, clock: Clock) -> AsyncIterator[SqlStore]:
    """Open the store for the block.

    Raises:
        ConfigurationError: The store was written by a newer Ringback.
        StoreUnavailableError: The store cannot be reached; the message says why.
    """
    path = settings.database_path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # It holds what was answered; SQLite gives the files beside it the same mode.
        path.touch(mode=0o600)
    except OSError as exc:
        msg = f"the store {path} cannot be reached: {exc.strerror}"
        raise StoreUnavailableError(msg) from exc
    database = SqliteDatabase(path, clock)
    try:
        await upgrade(database)
        yield SqlStore(database)
    finally:
        await database.close()
