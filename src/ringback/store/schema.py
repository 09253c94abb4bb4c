"""The schema: brought to the newest migration before anything else uses the database."""

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


async def upgrade(database: Database) -> Upgrade:
    """Bring the schema of `database` up to this program, in one transaction.

    Several processes may do it at once: the first one does the work, the others wait and find it
    done.

    Raises:
        ConfigurationError: The database was written by a newer Ringback.
        StoreUnavailableError: The database could not be reached or written.
    """
    async with database.writing() as connection:
        await database.begin_upgrade(connection)
        return await connection.run_sync(_upgrade)


def _upgrade(connection: Connection) -> Upgrade:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    assert newest is not None, "there is a migration"
    known = {script.revision for script in scripts.walk_revisions()}
    current = MigrationContext.configure(connection).get_current_revision()
    if current is not None and current not in known:
        msg = f"the database's schema {current!r} is newer than this Ringback: upgrade Ringback"
        raise ConfigurationError(msg)
    if current != newest:
        command.upgrade(config, "head")
    return Upgrade(current, newest)
