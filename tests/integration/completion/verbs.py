"""Every verb, sent to one activity by token or by ids."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import pytest
from temporalio.exceptions import ApplicationError

from ringback import ActivityRef, AsyncCompletionClient
from ringback.completion.refs import Target
from ringback.domain.errors import RingbackError
from tests.integration.facts.env import Attempt

FINAL: Final = ApplicationError("no", type="Denied", non_retryable=True)

By = Callable[[Attempt], Target]
E = TypeVar("E", bound=RingbackError)


def token(attempt: Attempt) -> bytes:
    """Return the token of an attempt."""
    return attempt.info.task_token


def ids(attempt: Attempt) -> ActivityRef:
    """Return the ids of an attempt's activity, with those of its run."""
    info = attempt.info
    return ActivityRef(
        info.activity_id, info.workflow_id, info.workflow_run_id or info.activity_run_id
    )


def ids_of_the_latest(attempt: Attempt) -> ActivityRef:
    """Return the ids of an attempt's activity in whichever run is the latest."""
    return ActivityRef(attempt.info.activity_id, attempt.info.workflow_id)


by_either = pytest.mark.parametrize("by", [token, ids], ids=["token", "ids"])
in_every_way = pytest.mark.parametrize(
    "by", [token, ids, ids_of_the_latest], ids=["token", "ids", "ids of the latest"]
)


async def raised(call: Awaitable[object], kind: type[E]) -> E:
    """Return the error that this call raises, which is of just this kind."""
    with pytest.raises(kind) as caught:
        await call
    assert type(caught.value) is kind
    return caught.value


async def errors_of_all_verbs(
    completion: AsyncCompletionClient, target: Target
) -> set[type[RingbackError]]:
    """Return what the verbs raise."""
    calls = (
        completion.complete(target, "late"),
        completion.fail(target, FINAL),
        completion.heartbeat(target, "late"),
        completion.heartbeat(target),
        completion.report_cancellation(target),
    )
    return {await _kind_raised(call) for call in calls}


async def _kind_raised(call: Awaitable[object]) -> type[RingbackError]:
    with pytest.raises(RingbackError) as caught:
        await call
    return type(caught.value)
