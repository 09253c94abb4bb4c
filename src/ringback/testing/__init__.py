"""Fakes that keep the same promises as the real things, for tests; a contract suite proves them."""

from ringback.testing.fake_activities import FakeActivities
from ringback.testing.manual_clock import ManualClock
from ringback.testing.memory_store import MemoryStore

__all__ = ["FakeActivities", "ManualClock", "MemoryStore"]
