"""A store that version 0002 wrote is brought up to date, with all that is in it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from ringback.domain.about import About
from ringback.domain.callback import Attempts
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed
from ringback.domain.vitals import Vitals
from ringback.store.database import Database
from ringback.store.schema import Upgrade, upgrade
from ringback.store.sql_store import SqlStore
from ringback.store.sqlite import SqliteDatabase
from ringback.testing import ManualClock
from tests.contract.dated import DatedDatabase
from tests.contract.servers import own_database, server_url
from tests.contract.stores import LEASE, outcome_of
from tests.contract.version_0001 import NOW, rows
from tests.contract.version_0002 import SCHEMA, make_0002

OPEN = CallbackId("cb_open")
STARTED_AT = NOW - timedelta(seconds=10)


@pytest.fixture(params=["sqlite", "postgresql"])
async def empty(
    request: pytest.FixtureRequest, tmp_path: Path, clock: ManualClock
) -> AsyncIterator[Database]:
    """A database that nobody has used."""
    if request.param == "sqlite":
        yield SqliteDatabase(tmp_path / "ringback.db", clock)
        return
    async with own_database(await server_url()) as url:
        yield DatedDatabase(url, clock)


@pytest.fixture
async def store(empty: Database) -> AsyncIterator[SqlStore]:
    """A database as version 0002 left it, brought up to date."""
    async with empty.writing() as connection:
        await connection.run_sync(make_0002)
    assert await upgrade(empty) == Upgrade("0002", "0003")
    yield SqlStore(empty)
    await empty.close()


async def test_nothing_that_0002_wrote_is_lost(store: SqlStore) -> None:
    found = await store.find([CallbackId(row["id"]) for row in rows()["callbacks"]])

    callback = found[OPEN]
    assert len(found) == len(rows()["callbacks"])
    assert (callback.attempt_started_at, callback.task_token) == (STARTED_AT, b"a token")
    assert callback.answer_by == callback.default_due_at == NOW + timedelta(seconds=30)
    assert callback.on_deadline == Completed(b"0")
    assert (callback.attempts, callback.follows_reset) == (Attempts.CURRENT, True)
    assert await store.schemas(["sc_1"]) == {"sc_1": SCHEMA["text"]}
    kept = outcome_of(found[CallbackId("cb_claimed")])
    assert (kept.is_default, kept.unproven_attempt) == (True, 2)
    assert kept.unproven_started_at == STARTED_AT


async def test_what_0002_could_not_know_has_a_sensible_value(store: SqlStore) -> None:
    callback = (await store.find([OPEN]))[OPEN]

    assert (callback.link_serial, callback.about, callback.vitals) == (1, About(), Vitals())
    assert (callback.cancel_within, callback.cancel_requested_at) == (None, None)
    assert callback.paused_at is None
    assert await store.claim_beats(limit=9, lease=LEASE) == []
    assert await store.claim_notices(limit=9, lease=LEASE) == []


async def test_what_is_open_is_looked_at_at_once_the_oldest_first(store: SqlStore) -> None:
    claims = [await store.claim_looks(limit=1, lease=LEASE) for _ in range(4)]

    assert [[callback.id for callback in claim.callbacks] for claim in claims] == [
        ["cb_open"],
        ["cb_without"],
        ["cb_submitted"],
        [],
    ]
