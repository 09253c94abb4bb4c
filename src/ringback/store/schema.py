"""The schema: brought to the newest migration before anything else uses the database."""

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


async def upgrade(database: Database) -> None:
    """Bring the schema of `database` up to this program, in one transaction.

    Several processes may do it at once: the first one does the work, the others wait and find it
    done.

    Raises:
        ConfigurationError: The database was written by a newer Ringback.
        StoreUnavailableError: The database could not be reached or written.
    """
    async with database.writing() as connection:
        await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        msg = f"the database's schema {current!r} is newer than this Ringback: upgrade Ringback"
        raise ConfigurationError(msg)
    command.upgrade(config, "head")
