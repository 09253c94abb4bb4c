"""`resume=True`: the activity function continues with the answer, on the real server."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError, CancelledError

from ringback import Callback, wait_for_callback, wait_for_callback_sync
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.domain.outcome import RESUME_TYPE
from tests.integration.conftest import OpenEnv
from tests.integration.env import Env, FakeService
from tests.integration.facts.operator_actions import (
    pause as pause_activity,
)
from tests.integration.facts.operator_actions import (
    reset_activity,
    reset_workflow,
    unpause,
)
from tests.integration.operated_workflow import Workflow
from tests.integration.workflows import Run
from tests.polling import pause

pytestmark = pytest.mark.server

PAUSED = PendingActivityState.PENDING_ACTIVITY_STATE_PAUSED
DECLINED = {"message": "declined", "type": "Declined", "non_retryable": True}


class Resuming:
    """An activity that waits with `resume` and returns another type than the answer's.

    Attributes:
        attempts: The attempts that ran.
        answers: What the wait returned, or raised, in each attempt that got there.
        failures: What the code behind the wait raises, one per attempt, before it succeeds.
        in_submit: Set while `submit` may return.
        lost_replies: What `submit` raises, one per attempt, though the service has the callback.
        may_end: Set while the code behind the wait may end.
    """

    def __init__(self, service: FakeService, *failures: Exception, **options: Any) -> None:
        self.service = service
        self.options = options
        self.failures = list(failures)
        self.attempts: list[int] = []
        self.answers: list[object] = []
        self.lost_replies: list[Exception] = []
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
    async def run_with_heartbeats(self) -> dict[str, object]:
        """Send heartbeats behind the wait until the code there may end."""
        self.attempts.append(activity.info().attempt)
        answer = await wait_for_callback(self._submit, str, resume=True, **self.options)
        self.answers.append(answer)
        while not self.may_end.is_set():
            activity.heartbeat()
            await pause()
        return {"answer": answer}

    @activity.defn(name="ask")
    def run_in_a_thread(self) -> dict[str, object]:
        self.attempts.append(activity.info().attempt)
        submit = self.service.submit_in_a_thread
        answer = wait_for_callback_sync(submit, str, resume=True, **self.options)
        self.answers.append(answer)
        return {"answer": answer}

    async def _submit(self, callback: Callback) -> None:
        await self.service.submit(callback)
        await self.in_submit.wait()
        if self.lost_replies:
            raise self.lost_replies.pop(0)


async def show(env: Env, callback: Callback) -> dict[str, Any]:
    """Return what `ringback show` prints."""
    key = local_key_path(env.settings.data, Role.OPERATOR).read_text().strip()
    headers = {"authorization": f"Bearer {key}"}
    reply = await env.http.get(f"/v1/callbacks/{callback.id}", headers=headers)
    shown: dict[str, Any] = reply.json()
    return shown


async def until_shown(env: Env, callback: Callback, state: str) -> dict[str, Any]:
    """Return what `ringback show` prints once it shows this state."""
    async with asyncio.timeout(20):
        while (shown := await show(env, callback))["state"] != state:
            await pause()
    return shown


async def history_proves(env: Env, handle: Any, callback: Callback) -> bool:
    """Return whether history shows what the proof of an applied outcome says."""
    proof = (await until_shown(env, callback, "applied"))["outcome"]["proof"]
    (started,) = [
        event.activity_task_started_event_attributes
        async for event in handle.fetch_history_events()
        if event.HasField("activity_task_started_event_attributes")
    ]
    if started.attempt > proof["continued"]:
        return True
    # The end of a pause clears the last failure (server 1.32).
    last = started.last_failure.application_failure_info.type
    resumed = not started.HasField("last_failure") or last == RESUME_TYPE
    return (started.attempt, started.identity, resumed) == (proof["continued"], proof["by"], True)


async def until_continued(resuming: Resuming, count: int = 1) -> None:
    """Return once the code behind the wait has begun `count` times."""
    async with asyncio.timeout(20):
        while len(resuming.answers) < count:
            await pause()


async def verdict_of(env: Env, callback: Callback, result: Any = "yes") -> dict[str, Any]:
    """Return the receipt of the same answer, sent again, once it has its verdict."""
    receipt: dict[str, Any] = (await env.answer(callback, result, wait=15)).json()
    return receipt


@pytest.mark.parametrize("in_a_thread", [False, True], ids=["async", "thread"])
async def test_function_continues_with_answer_in_next_attempt(
    service: FakeService, open_env: OpenEnv, *, in_a_thread: bool
) -> None:
    resuming = Resuming(service)
    run = resuming.run_in_a_thread if in_a_thread else resuming.run
    async with open_env(run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()

        receipt = (await env.answer(callback, "yes")).json()

        assert await handle.result() == {"answer": "yes"}
        assert receipt["state"] in {"accepted", "applied"}
        assert (await verdict_of(env, callback))["state"] == "applied"
        assert await history_proves(env, handle, callback)
    assert (resuming.attempts, resuming.answers) == ([1, 2], ["yes"])
    assert service.given.empty()


async def test_function_continues_without_the_back_off_of_the_retry_policy(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0, back_off=60))
        callback = await service.next()

        await env.answer(callback, "yes", wait=0)

        assert await handle.result() == {"answer": "yes"}


async def test_failed_code_behind_the_wait_runs_again_with_the_same_answer(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service, RuntimeError("database away"))
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)

        assert await handle.result() == {"answer": "yes"}
        assert (await verdict_of(env, callback))["state"] == "applied"
    assert (resuming.attempts, resuming.answers) == ([1, 2, 3], ["yes", "yes"])
    assert service.given.empty()


async def test_activity_that_fails_behind_the_wait_has_used_the_answer(
    service: FakeService, open_env: OpenEnv
) -> None:
    failure = ApplicationError("out of stock", type="OutOfStock", non_retryable=True)
    resuming = Resuming(service, failure)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert (await verdict_of(env, callback))["state"] == "applied"
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    assert caught.value.cause.cause.type == "OutOfStock"


async def test_answer_that_is_a_failure_is_raised_at_the_wait(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    async with open_env(resuming.run_and_catch) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await env.answer(callback, DECLINED, verb="/fail", wait=0)

        assert await handle.result() == {"caught": "declined"}
        receipt = await env.answer(callback, DECLINED, verb="/fail", wait=15)
        assert receipt.json()["state"] == "applied"
    assert (resuming.attempts, resuming.answers) == ([1, 2], ["Declined"])


async def test_retryable_failure_that_is_not_caught_asks_again_with_a_new_link(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        first = await service.next()
        await env.answer(first, {"message": "busy"}, verb="/fail", wait=0)
        second = await service.next()
        await env.answer(second, "yes", wait=0)

        assert await handle.result() == {"answer": "yes"}
        receipt = await env.answer(first, {"message": "busy"}, verb="/fail", wait=15)
        assert receipt.json()["state"] == "applied"
        assert (await verdict_of(env, second))["state"] == "applied"
    assert first.id != second.id
    assert (resuming.attempts, resuming.answers) == ([1, 2, 3, 4], ["yes"])


async def test_attempt_that_still_submits_is_not_ended(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    resuming.in_submit.clear()
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await env.answer(callback, "yes", wait=2)
        assert resuming.attempts == [1]
        resuming.in_submit.set()

        assert await handle.result() == {"answer": "yes"}
    assert resuming.attempts == [1, 2]


async def test_default_answer_continues_the_function_at_its_deadline(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service, deadline=timedelta(seconds=1), on_deadline="nobody answered")
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))

        assert await handle.result() == {"answer": "nobody answered"}


async def test_last_attempt_cannot_wait_and_submits_nothing(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=1))

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()

    assert isinstance(caught.value.cause, ActivityError)
    cause = caught.value.cause.cause
    assert isinstance(cause, ApplicationError)
    assert (cause.type, cause.non_retryable) == ("NoNextAttempt", True)
    assert "maximum_attempts is 1" in cause.message
    assert service.given.empty()


async def test_activity_that_was_asked_to_cancel_ends_as_canceled(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await handle.cancel()
        while True:
            description = await handle.describe()
            (pending,) = description.raw_description.pending_activities
            if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_CANCEL_REQUESTED:
                break
            await pause()

        reply = await env.answer(callback, "yes", wait=15)

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert (reply.status_code, reply.json()["type"]) == (410, "urn:ringback:expired-callback")
    assert isinstance(caught.value.cause, CancelledError)
    assert resuming.attempts == [1]


async def test_answer_within_submit_continues_once_submit_has_returned(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    resuming.in_submit.clear()
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=2))
        callback = await service.next()
        assert (await env.answer(callback, "yes", wait=0)).status_code == 202
        resuming.in_submit.set()

        assert await handle.result() == {"answer": "yes"}
        assert await history_proves(env, handle, callback)


async def test_code_behind_the_wait_runs_only_after_the_outcome_is_stored_as_applied(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    resuming.may_end.clear()
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=2))
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)
        await until_continued(resuming)

        assert (await show(env, callback))["state"] == "applied"
        resuming.may_end.set()
        assert await handle.result() == {"answer": "yes"}


async def test_two_attempts_are_enough_and_the_last_one_may_fail(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service, RuntimeError("database away"))
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=2))
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert await history_proves(env, handle, callback)
    assert isinstance(caught.value.cause, ActivityError)
    assert "database away" in str(caught.value.cause.cause)
    assert (resuming.attempts, resuming.answers) == ([1, 2], ["yes"])


async def test_third_attempt_continues_after_the_second_one_failed(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service, RuntimeError("database away"))
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=3))
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)

        assert await handle.result() == {"answer": "yes"}
        assert await history_proves(env, handle, callback)
    assert resuming.answers == ["yes", "yes"]


async def test_last_attempt_that_finds_no_answer_fails_and_a_later_answer_is_refused(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    resuming.lost_replies.append(ConnectionError("the reply was lost"))
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=2))
        callback = await service.next()
        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()

        assert (await env.answer(callback, "yes")).status_code == 410
    assert isinstance(caught.value.cause, ActivityError)
    assert isinstance(caught.value.cause.cause, ApplicationError)
    assert caught.value.cause.cause.type == "NoNextAttempt"
    assert (resuming.attempts, resuming.answers) == ([1, 2], [])


async def test_default_before_the_end_of_the_activity_leaves_time_to_continue(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service, on_deadline="nobody answered")
    async with open_env(resuming.run) as env:
        run = Run("ask", start_to_close=None, schedule_to_close=5, attempts=0)
        handle = await env.start(run)

        assert await handle.result() == {"answer": "nobody answered"}


async def test_answer_to_a_paused_activity_continues_once_it_is_unpaused(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=2))
        callback = await service.next()
        workflow = Workflow(env.client, handle)
        await pause_activity(workflow)
        await env.answer(callback, "yes", wait=0)
        while (await workflow.pending()).state != PAUSED:
            await pause()
        assert (await show(env, callback))["state"] == "accepted"
        await unpause(workflow)

        assert await handle.result() == {"answer": "yes"}
        assert await history_proves(env, handle, callback)
    assert resuming.attempts == [1, 2]


async def test_activity_that_was_reset_while_it_waits_continues(
    service: FakeService, open_env: OpenEnv
) -> None:
    """Its token is dead by then: its second attempt is called the first."""
    resuming = Resuming(service)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", start_to_close=3, attempts=3))
        callback = await service.next()
        while len(resuming.attempts) == 1:
            await pause()
        await reset_activity(Workflow(env.client, handle))
        await env.answer(callback, "yes", wait=0)

        assert await handle.result() == {"answer": "yes"}
        assert await history_proves(env, handle, callback)


async def test_activity_that_was_reset_behind_the_wait_continues_again(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    resuming.may_end.clear()
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", start_to_close=3, attempts=3))
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)
        await until_continued(resuming)
        await reset_activity(Workflow(env.client, handle))
        await until_continued(resuming, 2)
        resuming.may_end.set()

        assert await handle.result() == {"answer": "yes"}
        assert (await show(env, callback))["state"] == "applied"
    assert service.given.empty()


async def test_reset_workflow_asks_again_unless_the_callback_follows(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        before = await service.next()
        workflow = Workflow(env.client, handle)
        await reset_workflow(workflow, await workflow.step())
        after = await service.next()
        late = await env.answer(before, "to the run that is gone")
        await env.answer(after, "to the new run", wait=0)

        newest = env.client.get_workflow_handle(handle.id)
        assert await newest.result() == {"answer": "to the new run"}
    assert late.status_code == 410
    assert resuming.answers == ["to the new run"]


async def test_reset_workflow_continues_again_with_the_answer_that_it_had(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service, follow_reset=True)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)
        assert await handle.result() == {"answer": "yes"}
        workflow = Workflow(env.client, handle)
        tasks = [
            event.event_id
            async for event in handle.fetch_history_events()
            if event.HasField("workflow_task_completed_event_attributes")
        ]
        await reset_workflow(workflow, tasks[-1])

        newest = env.client.get_workflow_handle(handle.id)
        assert await newest.result() == {"answer": "yes"}
    assert resuming.answers[0] == "yes"
    assert service.given.empty()


async def test_superseded_answer_is_not_used_after_a_reset_of_the_ended_workflow(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service, follow_reset=True)
    resuming.in_submit.clear()
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        first = await service.next()
        workflow = Workflow(env.client, handle)
        to_reset = await workflow.step()
        await env.answer(first, "too late", wait=0)
        await handle.terminate()
        await until_shown(env, first, "superseded")
        resuming.in_submit.set()
        await reset_workflow(workflow, to_reset)
        second = await service.next()
        await env.answer(second, "yes", wait=0)

        newest = env.client.get_workflow_handle(handle.id)
        assert await newest.result() == {"answer": "yes"}
        assert (await show(env, first))["state"] == "superseded"
    assert resuming.answers == ["yes"]


@pytest.mark.parametrize("is_by_gateway", [True, False])
async def test_heartbeats_of_the_code_behind_the_wait_keep_its_attempt(
    service: FakeService, open_env: OpenEnv, *, is_by_gateway: bool
) -> None:
    options = {"heartbeat": "gateway"} if is_by_gateway else {}
    resuming = Resuming(service, **options)
    resuming.may_end.clear()
    async with open_env(resuming.run_with_heartbeats) as env:
        handle = await env.start(Run("ask", heartbeat=1.5, attempts=0))
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)
        await until_continued(resuming)
        workflow = Workflow(env.client, handle)
        began = (await workflow.pending()).last_started_time.ToDatetime()
        while (await last_heartbeat(workflow)) - began < timedelta(seconds=3):
            await pause()
        resuming.may_end.set()

        assert await handle.result() == {"answer": "yes"}
    assert resuming.answers == ["yes"]


async def last_heartbeat(workflow: Workflow) -> datetime:
    """Return when Temporal received the activity's last heartbeat."""
    pending = await workflow.pending()
    return pending.last_heartbeat_time.ToDatetime()


async def test_attempt_that_hangs_behind_the_wait_is_replaced_at_its_heartbeat_timeout(
    service: FakeService, open_env: OpenEnv
) -> None:
    """The gateway heartbeats for an attempt that waits only."""
    resuming = Resuming(service, heartbeat="gateway")
    resuming.may_end.clear()
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", heartbeat=1, attempts=0))
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)
        await until_continued(resuming, 2)
        resuming.may_end.set()

        assert await handle.result() == {"answer": "yes"}
        assert (await show(env, callback))["state"] == "applied"
    assert set(resuming.answers) == {"yes"}


async def test_cancellation_that_the_sender_reports_is_applied(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        await handle.cancel()
        await until_cancel_requested(env, callback)

        reply = await env.answer(callback, {"why": "withdrawn"}, verb="/cancel", wait=15)

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
    assert (reply.status_code, reply.json()["state"]) == (200, "applied")
    assert isinstance(caught.value.cause, CancelledError)
    assert resuming.answers == []


async def until_cancel_requested(env: Env, callback: Callback) -> None:
    """Return once the gateway knows that the activity was asked to cancel."""
    async with asyncio.timeout(20):
        while not (await show(env, callback))["cancel_requested_at"]:
            await pause()


async def test_cancellation_behind_the_wait_reaches_the_code_that_heartbeats(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    resuming.may_end.clear()
    async with open_env(resuming.run_with_heartbeats) as env:
        handle = await env.start(Run("ask", heartbeat=2, attempts=0))
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)
        await until_continued(resuming)
        await handle.cancel()

        with pytest.raises(WorkflowFailureError) as caught:
            await handle.result()
        assert await history_proves(env, handle, callback)
    assert isinstance(caught.value.cause, CancelledError)
    assert resuming.answers == ["yes"]


@pytest.mark.parametrize("attempts", [0, 2])
async def test_standalone_activity_continues(
    service: FakeService, open_env: OpenEnv, attempts: int
) -> None:
    resuming = Resuming(service)
    async with open_env(resuming.run) as env:
        handle = await env.client.start_activity(
            "ask",
            id=f"{env.task_queue}-activity",
            task_queue=env.task_queue,
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(maximum_attempts=attempts),
        )
        callback = await service.next()
        await env.answer(callback, "yes", wait=0)

        assert await handle.result() == {"answer": "yes"}
        assert (await show(env, callback))["state"] == "applied"
    assert (resuming.attempts, resuming.answers) == ([1, 2], ["yes"])


async def test_second_answer_gets_409_and_changes_nothing(
    service: FakeService, open_env: OpenEnv
) -> None:
    resuming = Resuming(service)
    async with open_env(resuming.run) as env:
        handle = await env.start(Run("ask", attempts=0))
        callback = await service.next()
        first, second = [await env.answer(callback, one, wait=0) for one in ("yes", "no")]

        assert await handle.result() == {"answer": "yes"}
        third = await env.answer(callback, "no", wait=0)
    assert [one.status_code for one in (first, second, third)] == [202, 409, 409]
    assert resuming.answers == ["yes"]
