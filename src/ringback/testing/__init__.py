"""Fakes for tests. For a real store in a test, see `ringback.testing.in_memory_database`."""

from ringback.testing.exact_results import ExactResults
from ringback.testing.fake_activities import FakeActivities
from ringback.testing.fake_completion_client import FakeCompletionClient, FakeWaitingActivity
from ringback.testing.fake_identifier import FakeIdentifier
from ringback.testing.manual_clock import ManualClock

__all__ = [
    "ExactResults",
    "FakeActivities",
    "FakeCompletionClient",
    "FakeIdentifier",
    "FakeWaitingActivity",
    "ManualClock",
]
