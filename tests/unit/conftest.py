"""What unit tests stand on: a clock, a store and a fake of Temporal."""

from collections.abc import Iterator

import pytest

from ringback.store.sql_store import SqlStore
from ringback.testing import FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def database(clock: ManualClock) -> Iterator[InMemoryDatabase]:
    with InMemoryDatabase(clock) as database:
        yield database


@pytest.fixture
def store(database: InMemoryDatabase) -> SqlStore:
    return SqlStore(database)


@pytest.fixture
def activities() -> FakeActivities:
    return FakeActivities()
