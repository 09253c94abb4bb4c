"""Changes of events on PostgreSQL wait for the aliases of those events, and never deadlock."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from ringback.core.services import task_group
from ringback.domain.event import Event, EventEnd, EventState
from ringback.domain.ids import CallbackId
from ringback.store.database import Connection
from ringback.store.events import wake_events
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests.contract.events import HOUR, claim, event, stored
from tests.contract.manual_clock_database import ManualClockDatabase

Change = Callable[[SqlStore, Sequence[Event]], Coroutine[Any, Any, None]]


async def end(store: SqlStore, events: Sequence[Event]) -> None:
    await store.end_events([EventEnd(one, EventState.UNMATCHED) for one in events])


async def postpone(store: SqlStore, events: Sequence[Event]) -> None:
    await store.postpone_events([(one, timedelta(0)) for one in events])


@pytest.mark.parametrize("change", [end, postpone])
async def test_change_of_events_waits_for_an_alias_that_another_process_adds(
    url: str, clock: ManualClock, change: Change
) -> None:
    database = ManualClockDatabase(url, clock)
    store = SqlStore(database)
    # The change updates b first, and the other process a.
    await stored(store, event("b"), event("a"))
    clock.advance(HOUR)
    claimed = await claim(store)

    async def wake(connection: Connection, alias: str) -> None:
        ended: dict[tuple[str, str], CallbackId] = {}
        await wake_events(connection, [(alias, "default")], ended=ended, now=clock.now())

    async with asyncio.timeout(30), task_group() as group, database.writing() as connection:
        await wake(connection, "a")
        group.create_task(change(store, claimed))
        await until_something_waits(url)
        await wake(connection, "b")

    assert [one.alias for one in claimed] == ["b", "a"]
    assert sorted(one.alias for one in await claim(store)) == ["a", "b"]
    await database.close()


async def until_something_waits(url: str) -> None:
    connection = await asyncpg.connect(url)
    waits = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
        " AND datname = current_database())"
    )
    try:
        while not await connection.fetchval(waits):
            pass
    finally:
        await connection.close()
