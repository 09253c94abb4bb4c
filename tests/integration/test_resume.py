"""`resume=True`: the activity function continues with the answer, on the real server."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from ringback import Callback, wait_for_callback, wait_for_callback_sync
from tests.integration.conftest import OpenHouse
from tests.integration.house import House, Outside
from tests.integration.workflows import Run
from tests.polling import pause

pytestmark = pytest.mark.server

DECLINED = {"message": "declined", "type": "Declined", "non_retryable": True}


class Resuming:
    """An activity that waits with `resume` and returns another type than the answer's.

    Attributes:
        attempts: The attempts that ran.
        answers: What the wait returned, or raised, in each attempt that got there.
        failures: What the code behind the wait raises, one per attempt, before it succeeds.
        in_submit: Set while `submit` may return.
        may_end: Set while the code behind the wait may end.
    """

    def __init__(self, outside: Outside, *failures: Exception, **options: Any) -> None:
        self.outside = outside
        self.options = options
        self.failures = list(failures)
        self.attempts: list[int] = []
        self.answers: list[object] = []
        self.in_submit = asyncio.Event()
        self.in_submit.set()
        self.may_end = asyncio.Event()
        self.may_end.set()

    @activity.defn(name="ask")
    async def run(self) -> dict[str, object]:
        self.attempts.append(activity.info().attempt)
        answer = await wait_for_callback(self._submit, str, resume=True, **self.options)
        self.answers.append(answer)
        await self.may_end.wait()
        if self.failures:
            raise self.failures.pop(0)
        return {"answer": answer}

    @activity.defn(name="ask")
    async def run_and_catch(self) -> dict[str, object]:
        try:
            return await self.run()
        except ApplicationError as exc:
            self.answers.append(exc.type)
            return {"caught": exc.message}

    @activity.defn(name="ask")
    def run_in_a_thread(self) -> dict[str, object]:
        self.attempts.append(activity.info().attempt)
        submit = self.outside.submit_in_a_thread
        answer = wait_for_callback_sync(submit, str, resume=True, **self.options)
        self.answers.append(answer)
        return {"answer": answer}

    async def _submit(self, callback: Callback) -> None:
        await self.outside.submit(callback)
        await self.in_submit.wait()


async def verdict_of(house: House, callback: Callback, result: Any = "yes") -> dict[str, Any]:
    """Return the receipt of the same answer, sent again, once it has its verdict."""
    receipt: dict[str, Any] = (await house.answer(callback, result, wait=15)).json()
    return receipt


@pytest.mark.parametrize("in_a_thread", [False, True], ids=["async", "thread"])
async def test_function_continues_with_answer_in_next_attempt(
    outside: Outside, open_house: OpenHouse, *, in_a_thread: bool
) -> None:
    resuming = Resuming(outside)
    run = resuming.run_in_a_thread if in_a_thread else resuming.run
    async with open_house(run) as house:
        handle = await house.start(Run("ask", attempts=0))
        callback = await outside.next()

        receipt = (await house.answer(callback, "yes")).json()

        assert await handle.result() == {"answer": "yes"}
        assert receipt["state"] in {"accepted", "applied"}
        assert (await verdict_of(house, callback))["state"] == "applied"
    assert (resuming.attempts, resuming.answers) == ([1, 2], ["yes"])
    assert outside.given.empty()


async def test_failed_code_behind_the_wait_runs_again_with_the_same_answer(
    outside: Outside, open_house: OpenHouse
) -> None:
    resuming = Resuming(outside, RuntimeError("database away"))
    async with open_house(resuming.run) as house:
        handle = await house.start(Run("ask", attempts=0))
        callback = await outside.next()
        await house.answer(callback, "yes", wait=0)

        assert await handle.result() == {"answer": "yes"}
        assert (await verdict_of(house, callback))["state"] == "applied"
    assert (resuming.attempts, resuming.answers) == ([1, 2, 3], ["yes", "yes"])
    assert outside.given.empty()


async def test_activity_that_fails_behind_the_wait_has_used_the_answer(
    outside: Outside, open_house: OpenHouse
) -> None:
    failure = ApplicationError("out of stock", type="OutOfStock", non_retryable=True)
    resuming = Resuming(outside, failure)
    async with open_house(resuming.run) as house:
        handle = await house.start(Run("ask", attempts=0))
        callback = await outside.next()
        await house.answer(callback, "yes", wait=0)

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert (await verdict_of(house, callback))["state"] == "applied"
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    assert caught.value.cause.cause.type == "OutOfStock"


async def test_answer_that_is_a_failure_is_raised_at_the_wait(
    outside: Outside, open_house: OpenHouse
) -> None:
    resuming = Resuming(outside)
    async with open_house(resuming.run_and_catch) as house:
        handle = await house.start(Run("ask", attempts=0))
        callback = await outside.next()
        await house.answer(callback, DECLINED, verb="/fail", wait=0)

        assert await handle.result() == {"caught": "declined"}
        receipt = await house.answer(callback, DECLINED, verb="/fail", wait=15)
        assert receipt.json()["state"] == "applied"
    assert (resuming.attempts, resuming.answers) == ([1, 2], ["Declined"])


async def test_retryable_failure_that_is_not_caught_asks_again_with_a_new_link(
    outside: Outside, open_house: OpenHouse
) -> None:
    resuming = Resuming(outside)
    async with open_house(resuming.run) as house:
        handle = await house.start(Run("ask", attempts=0))
        first = await outside.next()
        await house.answer(first, {"message": "busy"}, verb="/fail", wait=0)
        second = await outside.next()
        await house.answer(second, "yes", wait=0)

        assert await handle.result() == {"answer": "yes"}
        receipt = await house.answer(first, {"message": "busy"}, verb="/fail", wait=15)
        assert receipt.json()["state"] == "applied"
        assert (await verdict_of(house, second))["state"] == "applied"
    assert first.id != second.id
    assert (resuming.attempts, resuming.answers) == ([1, 2, 3, 4], ["yes"])


async def test_attempt_that_still_submits_is_not_ended(
    outside: Outside, open_house: OpenHouse
) -> None:
    resuming = Resuming(outside)
    resuming.in_submit.clear()
    async with open_house(resuming.run) as house:
        handle = await house.start(Run("ask", attempts=0))
        callback = await outside.next()
        await house.answer(callback, "yes", wait=2)
        assert resuming.attempts == [1]
        resuming.in_submit.set()

        assert await handle.result() == {"answer": "yes"}
    assert resuming.attempts == [1, 2]


async def test_default_answer_continues_the_function_at_its_deadline(
    outside: Outside, open_house: OpenHouse
) -> None:
    resuming = Resuming(outside, deadline=timedelta(seconds=1), on_deadline="nobody answered")
    async with open_house(resuming.run) as house:
        handle = await house.start(Run("ask", attempts=0))

        assert await handle.result() == {"answer": "nobody answered"}


async def test_last_attempt_cannot_wait_and_submits_nothing(
    outside: Outside, open_house: OpenHouse
) -> None:
    resuming = Resuming(outside)
    async with open_house(resuming.run) as house:
        handle = await house.start(Run("ask", attempts=1))

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()

    assert isinstance(caught.value.cause, ActivityError)
    cause = caught.value.cause.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("NoNextAttempt", True)
    assert "maximum_attempts is 1" in cause.message
    assert outside.given.empty()


async def test_activity_that_was_asked_to_cancel_ends_as_canceled(
    outside: Outside, open_house: OpenHouse
) -> None:
    resuming = Resuming(outside)
    async with open_house(resuming.run) as house:
        handle = await house.start(Run("ask", attempts=0))
        callback = await outside.next()
        await handle.cancel()
        while True:
            description = await handle.describe()
            (pending,) = description.raw_description.pending_activities
            if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED:
                break
            await pause()

        reply = await house.answer(callback, "yes", wait=15)

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert (reply.status_code, reply.json()["type"]) == (410, "urn:ringback:expired-callback")
    assert isinstance(caught.value.cause, CancelledError)
    assert resuming.attempts == [1]
