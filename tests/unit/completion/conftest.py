"""Fakes for the tests of the completion client's patterns."""

import pytest

from ringback.completion.refs import ActivityRef
from ringback.testing import FakeCompletionClient, FakeWaitingActivity, ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def completion() -> FakeCompletionClient:
    return FakeCompletionClient()


@pytest.fixture
def ref() -> ActivityRef:
    return ActivityRef("1", "order-42", "a-run")


@pytest.fixture
def activity(completion: FakeCompletionClient, ref: ActivityRef) -> FakeWaitingActivity:
    """The activity that `ref` names."""
    return completion[ref]
