"""Fakes for tests. For a real store in a test, see `ringback.testing.in_memory_database`."""

from ringback.testing.fake_activities import ExactResults, FakeActivities, FakeIdentifier
from ringback.testing.fake_completion_client import FakeCompletionClient, FakeWaitingActivity
from ringback.testing.manual_clock import ManualClock

__all__ = [
    "ExactResults",
    "FakeActivities",
    "FakeCompletionClient",
    "FakeIdentifier",
    "FakeWaitingActivity",
    "ManualClock",
]
