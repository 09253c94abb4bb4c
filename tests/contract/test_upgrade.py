"""A store that an earlier version wrote is brought up to date, with all that is in it."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from ringback.domain.callback import Attempts, State
from ringback.domain.errors import ConfigurationError
from ringback.domain.event import EventKind
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed, Failed
from ringback.store.database import Database
from ringback.store.schema import MIGRATIONS, Upgrade, revisions, upgrade
from ringback.store.sql_store import SqlStore
from ringback.store.sqlite import SqliteDatabase
from ringback.store.tables import metadata
from ringback.testing import ManualClock
from tests import factories
from tests.contract.dated import DatedDatabase
from tests.contract.servers import own_database, server_url
from tests.contract.stores import LEASE, handed_over, kinds, outcome_of
from tests.contract.version_0001 import NOW, SCHEDULED_AT, make_0001, rows

NEWEST: Final = "0003"
MINUTE: Final = timedelta(minutes=1)

Connect = Callable[[], Database]


@pytest.fixture(params=["sqlite", "postgresql"])
async def connect(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Connect]:
    """What makes databases that are all one, and empty."""
    if request.param == "sqlite":
        yield lambda: SqliteDatabase(tmp_path / "ringback.db", clock)
        return
    async with own_database(await server_url()) as url:
        yield lambda: DatedDatabase(url, clock)


@pytest.fixture
async def database(connect: Connect) -> AsyncIterator[Database]:
    """A database as version 0001 left it, with a callback in every state."""
    database = connect()
    async with database.writing() as connection:
        await connection.run_sync(make_0001)
    yield database
    await database.close()


@pytest.fixture
async def store(database: Database) -> SqlStore:
    """The same, brought up to date."""
    assert await upgrade(database) == Upgrade("0001", NEWEST)
    return SqlStore(database)


def _id(name: str) -> CallbackId:
    return CallbackId(f"cb_{name}")


def test_the_files_tell_which_revisions_there_are() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    known = ScriptDirectory.from_config(config).walk_revisions()

    assert revisions() == sorted(script.revision for script in known)
    assert revisions()[-1] == NEWEST


async def test_where_there_is_nothing_to_migrate_alembic_is_not_loaded() -> None:
    slow = {"alembic", "temporalio.worker"}
    program = f"import sys, ringback.cli.serving; print({slow} & set(sys.modules))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=PIPE)

    printed, _ = await process.communicate()

    assert printed.strip() == b"set()"


async def test_nothing_of_it_is_lost(store: SqlStore) -> None:
    expected = {"open": "open", "submitted": "open", "without": "open", "failed": "accepted"}
    expected |= {"claimed": "accepted", "handed": "accepted"}
    names = [str(row["id"]).removeprefix("cb_") for row in rows()["callbacks"]]

    found = await store.find([_id(name) for name in names])

    assert {id_: callback.state.value for id_, callback in found.items()} == {
        _id(name): expected.get(name, name) for name in names
    }
    for row in rows()["outcomes"]:
        kept = outcome_of(found[row["callback_id"]])
        assert (kept.id, kept.tries, kept.trouble) == (
            row["outcome_id"],
            row["tries"],
            row["trouble"],
        )
        assert (kept.handed_to, kept.handed_attempt) == (row["handed_to"], row["handed_attempt"])
        assert (kept.proof, kept.is_default) == (row["proof"], False)
    assert outcome_of(found[_id("accepted")]).outcome == Completed(b'{"n":1.10}')
    failure = outcome_of(found[_id("failed")]).outcome
    assert failure == Failed("no", "No", True, b'["x"]', timedelta(seconds=1.5))  # noqa: FBT003 - its order
    assert await kinds(store, _id("expired")) == [EventKind.OPENED, EventKind.EXPIRED]


async def test_what_it_could_not_know_has_a_sensible_value(store: SqlStore) -> None:
    found = await store.find([_id("open"), _id("without")])

    callback = found[_id("open")]
    assert (callback.timeout_at, callback.answer_by) == (NOW + MINUTE, None)
    assert found[_id("without")].timeout_at is None
    assert callback.attempt_started_at == callback.opened_at == NOW - MINUTE
    assert (callback.task_token, callback.on_deadline, callback.schema_id) == (None, None, None)
    assert (callback.attempts, callback.follows_reset) == (Attempts.ANY, False)


async def test_an_activity_finds_its_callback_again(store: SqlStore) -> None:
    ref = factories.activity_ref(workflow_id="workflow-submitted", scheduled_at=SCHEDULED_AT)

    (callback,) = await store.open([factories.wish(ref=ref, attempt=3)])

    assert (callback.id, callback.attempt) == (_id("submitted"), 3)
    assert callback.submitted_at == NOW - timedelta(seconds=30)


async def test_answers_to_it_are_judged_as_before(store: SqlStore) -> None:
    names = ["open", "submitted", "expired", "applied"]

    results = await store.accept([factories.answer(_id(name)) for name in names])

    assert [result is not None for result in results] == [True, True, False, False]


async def test_what_waited_is_delivered_and_what_was_claimed_comes_back(
    store: SqlStore, clock: ManualClock
) -> None:
    due = await store.claim("me", limit=10, lease=LEASE)
    clock.advance(MINUTE)
    later = await store.claim("me", limit=10, lease=LEASE)
    await store.settle([factories.settlement(callback) for callback in later])

    assert {callback.id for callback in due} == {_id("accepted"), _id("failed")}
    assert {callback.id for callback in later} - {callback.id for callback in due} == {
        _id("claimed"),
        _id("handed"),
    }
    assert {
        callback.state for callback in (await store.find([one.id for one in later])).values()
    } == {State.APPLIED}


async def test_a_later_attempt_takes_what_an_earlier_one_was_handed(
    store: SqlStore, clock: ManualClock
) -> None:
    ref = factories.activity_ref(workflow_id="workflow-handed", scheduled_at=SCHEDULED_AT)
    clock.advance(MINUTE)

    (callback,) = await store.open([factories.wish(ref=ref, attempt=3)])

    assert await handed_over(store, callback)


async def test_what_was_parked_can_be_delivered_again(store: SqlStore) -> None:
    assert await store.redeliver(_id("parked"))
    assert _id("parked") in {one.id for one in await store.claim("me", limit=9, lease=LEASE)}


async def test_what_is_overdue_is_seen(store: SqlStore, clock: ManualClock) -> None:
    clock.advance(MINUTE)

    assert {callback.id for callback in await store.overdue(limit=9)} == {
        _id("open"),
        _id("submitted"),
    }


async def test_the_migrations_make_the_tables_that_the_code_uses(
    store: SqlStore,  # noqa: ARG001 - it has the newest schema
    database: Database,
) -> None:
    async with database.writing() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": False}), metadata
            )
        )

    assert differences == []


async def test_several_that_upgrade_at_once_upgrade_once(
    connect: Connect, database: Database
) -> None:
    databases = [database, *(connect() for _ in range(3))]

    upgrades = await asyncio.gather(*(upgrade(one) for one in databases))

    assert sorted(str(one.before) for one in upgrades) == ["0001", *[NEWEST] * 3]
    for one in databases:
        await one.close()


async def test_several_that_begin_at_once_make_one_schema(connect: Connect) -> None:
    databases = [connect() for _ in range(4)]

    upgrades = await asyncio.gather(*(upgrade(one) for one in databases))

    assert sorted(str(one.before) for one in upgrades) == [*[NEWEST] * 3, "None"]
    await asyncio.gather(*(one.close() for one in databases))


async def test_a_schema_of_a_newer_program_is_refused(database: Database) -> None:
    async with database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(ConfigurationError, match="upgrade Ringback"):
        await upgrade(database)


async def test_an_upgrade_that_fails_leaves_all_as_it_was(
    database: Database, connect: Connect
) -> None:
    async with database.writing() as connection:
        await connection.execute(text("CREATE TABLE schemas (in_the_way INTEGER)"))
    with pytest.raises(Exception, match="schemas"):
        await upgrade(database)
    async with database.writing() as connection:
        await connection.execute(text("DROP TABLE schemas"))
    again = connect()

    assert await upgrade(again) == Upgrade("0001", NEWEST)
    await again.close()
