"""Code outside Ringback can create the errors of the completion client, for example in tests."""

import pytest
from temporalio.activity import ActivityCancellationDetails

from ringback import (
    ActivityCancelledError,
    ActivityCompletionError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
    CompletionRefusedError,
)

STOPS = [ActivityCancelledError, ActivityPausedError, ActivityResetError]
each_stop = pytest.mark.parametrize("kind", STOPS)


@pytest.mark.parametrize(
    "kind", [*STOPS, ActivityNotFoundError, ActivityCompletionError, CompletionRefusedError]
)
def test_error_needs_only_a_message(kind: type[Exception]) -> None:
    assert str(kind("the message")) == "the message"


@each_stop
def test_details_are_optional(
    kind: type[ActivityCancelledError | ActivityPausedError | ActivityResetError],
) -> None:
    assert kind("stop").details is None


@each_stop
@pytest.mark.parametrize(
    "details", [{"reason": "no money"}, ActivityCancellationDetails(cancel_requested=True)]
)
def test_details_are_those_of_the_caller(
    kind: type[ActivityCancelledError | ActivityPausedError | ActivityResetError], details: object
) -> None:
    assert kind("stop", details).details is details


@pytest.mark.parametrize("kind", [ActivityCompletionError, CompletionRefusedError])
def test_cause_may_be_given(kind: type[ActivityCompletionError]) -> None:
    cause = ConnectionError("gone")

    assert kind("no reply", cause).cause is cause
    assert kind("no reply").cause is None


def test_cause_may_be_raised_from() -> None:
    cause, error = ConnectionError("gone"), ActivityCompletionError("no reply")

    with pytest.raises(ActivityCompletionError) as raised:
        raise error from cause

    assert raised.value.cause is cause
