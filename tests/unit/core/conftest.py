"""The core with fakes around it."""

import pytest

from ringback.testing import FakeActivities, ManualClock, MemoryStore


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def store(clock: ManualClock) -> MemoryStore:
    return MemoryStore(clock)


@pytest.fixture
def activities() -> FakeActivities:
    return FakeActivities()
