"""A `submit` function of the wrong kind fails the attempt, since it may have sent nothing."""

from collections.abc import Callable
from typing import Any

import pytest
from temporalio import activity
from temporalio.exceptions import ActivityError, ApplicationError

from ringback import (
    Callback,
    Decision,
    Subject,
    wait_for_callback,
    wait_for_callback_sync,
    wait_for_decision,
    wait_for_decision_sync,
)
from ringback.testing import activity_environment


def plain(_: Callback) -> None:
    """Send the link."""


async def asynchronous(_: Callback) -> None:
    """Send the link."""


PLAIN: Any = plain
ASYNC: Any = asynchronous


@activity.defn
async def charge() -> str:
    return await wait_for_callback(PLAIN, str)


@activity.defn
async def approve() -> Decision:
    return await wait_for_decision(Subject("An order"), PLAIN)


@activity.defn
def charge_in_a_thread() -> str:
    return wait_for_callback_sync(ASYNC, str)


@activity.defn
def approve_in_a_thread() -> Decision:
    return wait_for_decision_sync(Subject("An order"), ASYNC)


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (charge, "submit must be async: write `async def submit`"),
        (approve, "submit must be async: write `async def submit`"),
        (charge_in_a_thread, "submit must be a plain function here"),
        (approve_in_a_thread, "submit must be a plain function here"),
    ],
)
async def test_submit_of_the_wrong_kind_is_an_error(
    function: Callable[[], Any], message: str
) -> None:
    async with activity_environment() as env:
        with pytest.raises(ActivityError) as failed:
            await env.run(function)

    assert isinstance(failed.value.cause, ApplicationError)
    assert failed.value.cause.type == "TypeError"
    assert message in failed.value.cause.message
