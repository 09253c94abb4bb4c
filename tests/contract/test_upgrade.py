"""An empty database gets the schema once; an unknown schema is rejected."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import asyncpg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from ringback.domain.errors import ConfigurationError
from ringback.store.database import Database
from ringback.store.migrate import MIGRATIONS, Upgrade, revisions, upgrade
from ringback.store.postgresql import UPGRADE_LOCK, PostgresqlDatabase
from ringback.store.sql_store import SqlStore
from ringback.store.sqlite import SqliteDatabase
from ringback.store.tables import metadata
from ringback.testing import ManualClock
from tests import factories
from tests.contract.manual_clock_database import ManualClockDatabase
from tests.contract.postgresql_server import own_database, server_url
from tests.polling import pause

NEWEST: Final = "0001"

Connect = Callable[[], Database]


@pytest.fixture(params=["sqlite", "postgresql"])
async def connect(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Connect]:
    """A function that connects to one database, initially empty."""
    if request.param == "sqlite":
        yield lambda: SqliteDatabase(tmp_path / "ringback.db", clock)
        return
    async with own_database(await server_url()) as url:
        yield lambda: ManualClockDatabase(url, clock)


@pytest.fixture
async def database(connect: Connect) -> AsyncIterator[Database]:
    """The empty database."""
    database = connect()
    yield database
    await database.close()


def test_file_names_list_all_revisions() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    known = ScriptDirectory.from_config(config).walk_revisions()

    assert revisions() == sorted(script.revision for script in known)
    assert revisions()[-1] == NEWEST


async def test_program_with_nothing_to_migrate_does_not_load_alembic() -> None:
    slow = {"alembic", "temporalio.worker"}
    program = f"import sys, ringback.cli.serving; print({slow} & set(sys.modules))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=PIPE)

    printed, _ = await process.communicate()

    assert printed.strip() == b"set()"


async def test_empty_database_gets_the_tables_that_the_code_uses(database: Database) -> None:
    done = await upgrade(database)

    async with database.writing() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(
                    sync, opts={"compare_type": True, "compare_server_default": True}
                ),
                metadata,
            )
        )
    assert done == Upgrade(None, NEWEST)
    assert differences == []


async def test_database_with_newest_schema_is_not_changed(database: Database) -> None:
    await upgrade(database)
    (callback,) = await SqlStore(database).open([factories.request()])

    done = await upgrade(database)

    assert done == Upgrade(NEWEST, NEWEST)
    assert await SqlStore(database).find([callback.id]) == {callback.id: callback}


async def test_programs_that_start_together_create_one_schema(connect: Connect) -> None:
    databases = [connect() for _ in range(4)]

    upgrades = await asyncio.gather(*(upgrade(one) for one in databases))

    assert sorted(str(one.before) for one in upgrades) == [*[NEWEST] * 3, "None"]
    await asyncio.gather(*(one.close() for one in databases))


async def test_upgrade_waits_for_that_of_another_program_for_any_time() -> None:
    patience = timedelta(seconds=2)
    waiting = (
        "SELECT FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event = 'advisory' AND clock_timestamp() - query_start > $1"
    )
    async with own_database(await server_url()) as url:
        database = PostgresqlDatabase(url, patience=patience)
        other = await asyncpg.connect(url)
        # Not in a transaction, whose view of the other sessions would never change.
        await other.execute("SELECT pg_advisory_lock($1)", UPGRADE_LOCK)
        upgrading = asyncio.ensure_future(upgrade(database))
        while not await other.fetch(waiting, patience):
            assert not upgrading.done()
            await pause()

        await other.close()

        assert await upgrading == Upgrade(None, NEWEST)
        await database.close()


async def test_schema_of_a_newer_program_is_rejected(database: Database) -> None:
    await upgrade(database)
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfigurationError, match="upgrade Ringback"):
        await upgrade(database)


async def test_upgrade_that_fails_changes_nothing(database: Database, connect: Connect) -> None:
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE schemas (in_the_way INTEGER)"))
    with pytest.raises(Exception, match="schemas"):
        await upgrade(database)
    async with database.writing() as connection:
        await connection.execute(text("DROP TABLE schemas"))
    again = connect()

    assert await upgrade(again) == Upgrade(None, NEWEST)
    await again.close()
