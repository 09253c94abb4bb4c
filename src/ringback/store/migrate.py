"""Migrate the schema of a database to the newest revision."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, column, select, table

from ringback.domain.errors import ConfigurationError, StoreUnavailableError
from ringback.store.database import Database

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_VERSION: Final = table("alembic_version", column("version_num"))


@dataclass(frozen=True, slots=True)
class Upgrade:
    """The result of an upgrade.

    Attributes:
        before: The revision before; `None` if the database was empty.
        after: The revision after.
    """

    before: str | None
    after: str


#: Alembic keeps its state in globals, so a process runs one upgrade at a time.
_alone: Final = asyncio.Lock()


async def upgrade(database: Database) -> Upgrade:
    """Upgrade the schema of `database` to this program's, in one transaction.

    Several processes may call this at the same time: the first one upgrades, the others wait.

    Raises:
        ConfigurationError: A newer Ringback wrote the database, or its configuration is wrong; the
            message says what to do.
        StoreUnavailableError: The database could not be reached or written.
    """
    with _explained(database):
        await database.check_once()
        return await _upgrade_if_needed(database)


async def inspect(database: Database) -> Upgrade:
    """Return what an upgrade would do, without upgrading.

    If the schema is up to date, this also commits a tiny write that leaves nothing behind.

    Raises:
        ConfigurationError: See `upgrade`.
        StoreUnavailableError: The database could not be reached or written.
    """
    with _explained(database):
        await database.check_once()
        current = await database.read(lambda it: it.run_sync(_current))
        if current == _newest():
            await database.check_write()
        return Upgrade(current, _newest())


@contextmanager
def _explained(database: Database) -> Iterator[None]:
    try:
        yield
    except StoreUnavailableError as exc:
        what_to_do = database.find_mistake(exc)
        if what_to_do is None:
            raise
        msg = f"{exc}; {what_to_do}"
        raise ConfigurationError(msg) from exc


async def _upgrade_if_needed(database: Database) -> Upgrade:
    current = await database.read(lambda it: it.run_sync(_current))
    if current == _newest():
        return Upgrade(current, current)
    async with _alone, database.upgrading() as connection:
        return await connection.run_sync(_upgrade)


async def has_schema(database: Database) -> bool:
    """Return whether `database` is a store of any version of Ringback.

    Raises:
        StoreUnavailableError: The database could not be reached.
    """
    return await database.read(lambda it: it.run_sync(_has_schema))


def revisions() -> list[str]:
    """Return all revisions of this program, oldest first."""
    return sorted(file.name.partition("_")[0] for file in (MIGRATIONS / "versions").glob("*.py"))


def _upgrade(connection: Connection) -> Upgrade:
    current, newest = _current(connection), _newest()
    if current != newest:
        _migrate(connection)
    return Upgrade(current, newest)


def _migrate(connection: Connection) -> None:
    # Alembic is slow to load and rarely needed.
    from alembic import command  # noqa: PLC0415 - see above
    from alembic.config import Config  # noqa: PLC0415 - see above

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _current(connection: Connection) -> str | None:
    if not _has_schema(connection):
        return None
    current: str | None = connection.scalar(select(_VERSION.c.version_num))
    if current is not None and current not in revisions():
        msg = f"the database's schema {current!r} is newer than this Ringback: upgrade Ringback"
        raise ConfigurationError(msg)
    return current


def _has_schema(connection: Connection) -> bool:
    return connection.dialect.has_table(connection, _VERSION.name)


def _newest() -> str:
    return revisions()[-1]
