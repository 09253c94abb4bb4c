"""Open lists of the inbox are notified when they have changed."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Final

import pytest

from ringback.core.inbox_feed import MOST_OF_ONE, POLL_EVERY, REREAD_EVERY, InboxFeed, OpenList
from ringback.core.services import run_services
from ringback.domain.inbox import InboxQuery, Scope, Show
from ringback.domain.policy import Policy
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.loops import idle

GROUPS: Final = InboxQuery(user="ada", groups=frozenset({"finance"}), scope=Scope.GROUPS)
LEGAL: Final = InboxQuery(user="eve", groups=frozenset({"legal"}), scope=Scope.GROUPS)
NOW: Final = timedelta(0)


class CountingStore(SqlStore):
    """Counts how often inboxes are read."""

    def __init__(self, database: InMemoryDatabase) -> None:
        super().__init__(database)
        self.versions = 0
        self.states = 0

    async def inbox_version(self) -> str:
        self.versions += 1
        return await super().inbox_version()

    async def inbox_state(self, query: InboxQuery) -> str:
        self.states += 1
        return await super().inbox_state(query)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(clock: ManualClock) -> Iterator[InMemoryDatabase]:
    with InMemoryDatabase(clock) as database:
        yield database


@pytest.fixture
def store(database: InMemoryDatabase) -> CountingStore:
    return CountingStore(database)


@pytest.fixture
async def feed(store: CountingStore, clock: ManualClock) -> AsyncIterator[InboxFeed]:
    feed = InboxFeed(store, clock=clock, most=3)
    async with run_services(feed):
        await idle()
        yield feed


async def ask(store: SqlStore, group: str = "finance", deadline: timedelta | None = None) -> None:
    policy = Policy(assignees=(f"group:{group}",))
    await store.open([factories.request(policy=policy, deadline=deadline)])


async def opened(feed: InboxFeed, store: SqlStore, query: InboxQuery = GROUPS) -> OpenList:
    """Open a list that shows what is stored now."""
    one = feed.open(query, state=await store.inbox_state(query))
    assert one is not None
    return one


async def poll(clock: ManualClock, after: timedelta = POLL_EVERY) -> None:
    await idle()
    clock.advance(after)
    await idle()


async def test_list_is_notified_of_a_change_within_one_poll(
    feed: InboxFeed, store: CountingStore, clock: ManualClock
) -> None:
    mine, other = await opened(feed, store), await opened(feed, store, LEGAL)
    await poll(clock)

    await ask(store)
    await poll(clock)

    assert await mine.wait(at_most=NOW)
    assert not await mine.wait(at_most=NOW)
    assert not await other.wait(at_most=NOW)


async def test_change_between_page_and_stream_is_noticed(
    feed: InboxFeed, store: CountingStore, clock: ManualClock
) -> None:
    await poll(clock)
    await (await opened(feed, store)).wait(at_most=NOW)
    state = await store.inbox_state(GROUPS)
    await ask(store)
    await poll(clock)

    late = feed.open(GROUPS, state=state)
    await poll(clock)

    assert late is not None
    assert await late.wait(at_most=NOW)


async def test_list_that_becomes_overdue_is_noticed_without_a_change(
    feed: InboxFeed, store: CountingStore, clock: ManualClock
) -> None:
    await ask(store, deadline=timedelta(seconds=40))
    overdue = InboxQuery(user="ada", groups=GROUPS.groups, scope=Scope.GROUPS, show=Show.OVERDUE)
    one = await opened(feed, store, overdue)
    await poll(clock)

    clock.advance(timedelta(seconds=10))
    await poll(clock, REREAD_EVERY)

    assert await one.wait(at_most=NOW)


async def test_no_list_means_no_query(
    feed: InboxFeed, store: CountingStore, clock: ManualClock
) -> None:
    one = await opened(feed, store)
    await poll(clock)
    feed.close(one)
    await poll(clock)
    before = store.versions

    for _ in range(5):
        await poll(clock)

    assert store.versions == before


async def test_idle_lists_cost_one_query_per_poll(
    feed: InboxFeed, store: CountingStore, clock: ManualClock
) -> None:
    for _ in range(3):
        await opened(feed, store)
    await poll(clock)
    versions, states = store.versions, store.states

    for _ in range(5):
        await poll(clock)

    assert (store.versions - versions, store.states - states) == (5, 0)


async def test_lists_that_show_the_same_are_read_once(
    feed: InboxFeed, store: CountingStore, clock: ManualClock
) -> None:
    lists = [await opened(feed, store) for _ in range(3)]
    await poll(clock)
    before = store.states

    await ask(store)
    await poll(clock)

    assert store.states - before == 1
    assert [await one.wait(at_most=NOW) for one in lists] == [True] * 3


async def test_more_lists_than_allowed_are_refused_until_one_closes(
    feed: InboxFeed, store: CountingStore
) -> None:
    lists = [await opened(feed, store) for _ in range(3)]

    assert feed.open(GROUPS, state="") is None
    feed.close(lists[0])
    assert feed.open(GROUPS, state="") is not None


async def test_one_person_cannot_use_up_all_streams(
    store: CountingStore, clock: ManualClock
) -> None:
    feed = InboxFeed(store, clock=clock, most=MOST_OF_ONE + 2)

    lists = [feed.open(GROUPS, state="") for _ in range(MOST_OF_ONE + 1)]

    assert [one is None for one in lists] == [False] * MOST_OF_ONE + [True]
    assert feed.open(LEGAL, state="") is not None


async def test_stopping_wakes_all_lists_and_opens_no_more(
    feed: InboxFeed, store: CountingStore
) -> None:
    lists = [await opened(feed, store) for _ in range(2)]

    feed.stop_waiting()

    assert [await one.wait(at_most=NOW) for one in lists] == [True, True]
    assert feed.open(GROUPS, state="") is None


async def test_outage_of_the_store_is_survived(
    feed: InboxFeed, store: CountingStore, clock: ManualClock, database: InMemoryDatabase
) -> None:
    one = await opened(feed, store)
    await poll(clock)
    database.is_available = False
    await poll(clock)
    await poll(clock)
    database.is_available = True

    await ask(store)
    await poll(clock)

    assert await one.wait(at_most=NOW)
