"""The schema: brought to the newest migration before anything else uses the database."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ringback.domain.errors import ConfigurationError
from ringback.store.database import Database

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Upgrade:
    """What an upgrade came to.

    Attributes:
        before: The revision that the schema had; `None` if there was none.
        after: The revision that it has.
    """

    before: str | None
    after: str


#: Alembic keeps what it is at in globals: two upgrades in one process would meet there.
_alone: Final = asyncio.Lock()


async def upgrade(database: Database) -> Upgrade:
    """Bring the schema of `database` up to this program, in one transaction.

    Several processes may do it at once: the first one does the work, the others wait and find it
    done.

    Raises:
        ConfigurationError: The database was written by a newer Ringback.
        StoreUnavailableError: The database could not be reached or written.
    """
    async with database.reading() as connection:
        current = await connection.run_sync(_current)
    if current == _newest():
        return Upgrade(current, current)
    async with _alone, database.upgrading() as connection:
        return await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> Upgrade:
    current, newest = _current(connection), _newest()
    if current != newest:
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
    return Upgrade(current, newest)


def _current(connection: Connection) -> str | None:
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if current is not None and current not in known:
        msg = f"the database's schema {current!r} is newer than this Ringback: upgrade Ringback"
        raise ConfigurationError(msg)
    return current


def _newest() -> str:
    newest = ScriptDirectory.from_config(_config()).get_current_head()
    assert newest is not None, "there is a migration"
    return newest


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
