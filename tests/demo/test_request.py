"""The timeouts that follow from a request."""

from datetime import timedelta

import pytest

from ringback.demo.request import ActivityAction, CallRequest


@pytest.mark.parametrize("action", list(ActivityAction))
def test_the_workflow_outlives_the_activity(action: ActivityAction) -> None:
    request = CallRequest(10, 20, action)

    assert request.execution_timeout > request.schedule_to_close_timeout


def test_the_activity_outlives_the_callback() -> None:
    request = CallRequest(10, 20)

    assert request.schedule_to_close_timeout == timedelta(seconds=90)
    assert request.heartbeat_timeout is None
    assert request.maximum_attempts == 5


def test_ignored_call_ends_soon_without_a_retry() -> None:
    request = CallRequest(10, 20, ActivityAction.IGNORE)

    assert request.schedule_to_close_timeout == timedelta(seconds=35)
    assert request.maximum_attempts == 1


def test_heartbeat_timeout_is_below_the_time_of_the_whole_call() -> None:
    request = CallRequest(10, 20, ActivityAction.HEARTBEAT)

    assert request.heartbeat_timeout is not None
    assert request.heartbeat_timeout < timedelta(seconds=30)
