"""The store works through PgBouncer in session mode, with all timeouts of the server."""

from datetime import timedelta

import pytest
from sqlalchemy import text

from ringback.store.migrate import upgrade
from ringback.store.postgresql import PostgresqlDatabase
from ringback.store.sql_store import SqlStore
from tests import factories
from tests.contract.pgbouncer import pooled

TIMEOUTS = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]


@pytest.mark.parametrize(
    "extra",
    [[], [f"ignore_startup_parameters = {','.join(TIMEOUTS)}"]],
    ids=["defaults", "ignoring"],
)
async def test_store_through_pgbouncer_has_all_timeouts(empty_url: str, extra: list[str]) -> None:
    async with pooled(empty_url, *extra) as url:
        database = PostgresqlDatabase(url, patience=timedelta(seconds=7))
        await upgrade(database)
        store = SqlStore(database)
        (callback,) = await store.open([factories.request()])
        await store.accept([factories.answer(callback.id)])
        async with database.writing() as connection:
            shown = [await connection.scalar(text(f"SHOW {name}")) for name in TIMEOUTS]
        await database.close()

    assert shown == ["7s", "7s", "7s"]
