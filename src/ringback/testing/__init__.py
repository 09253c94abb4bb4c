"""Fakes for tests. `MemoryStore` passes the same contract suite as the real stores."""

from ringback.testing.exact_results import ExactResults
from ringback.testing.fake_activities import FakeActivities
from ringback.testing.fake_completion_client import FakeCompletionClient, FakeWaitingActivity
from ringback.testing.fake_identifier import FakeIdentifier
from ringback.testing.fits_whatever import fits_whatever
from ringback.testing.manual_clock import ManualClock
from ringback.testing.memory_store import MemoryStore

__all__ = [
    "ExactResults",
    "FakeActivities",
    "FakeCompletionClient",
    "FakeIdentifier",
    "FakeWaitingActivity",
    "ManualClock",
    "MemoryStore",
    "fits_whatever",
]
