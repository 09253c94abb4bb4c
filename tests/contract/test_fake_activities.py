"""`FakeActivities` meets the contract of `Activities`, and simulates outages on request."""

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest
from temporalio.common import RetryPolicy

from ringback.domain.activity_state import Ended, Unknown
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.errors import TemporalBusyError, TemporalUnreachableError
from ringback.domain.outcome import Completed, Failed
from ringback.testing import FakeActivities
from tests import factories
from tests.contract.activities.env import (
    ME,
    RESULT,
    TIMED_OUT,
    ActivityEnv,
    Again,
    Plan,
    Way,
    send,
)
from tests.contract.activities_contract import ActivitiesContract

_numbers = count(1)


class FakeActivityRun:
    """A workflow of the fake."""

    def __init__(self, activities: FakeActivities, plan: Plan, ref: ActivityExecution) -> None:
        self.activities = activities
        self.plan = plan
        self.ref = ref
        self.callback: Callback

    async def begin(self) -> None:
        """Schedule the activity and open the callback of its first attempt."""
        self.activities.schedule(
            self.ref,
            is_started=self.plan.has_worker,
            start_to_close=self.plan.start_to_close,
            schedule_to_close=self.plan.schedule_to_close,
            retry_policy=RetryPolicy(maximum_attempts=self.plan.most_attempts),
        )
        await self._open()

    async def _open(self) -> Callback:
        pending = self.activities.pending(self.ref)
        assert pending is not None, "an attempt asks while the activity waits"
        request = factories.request(
            ref=self.ref,
            attempt=pending.attempt,
            attempt_started_at=pending.started_at,
            task_token=self.activities.task_token(self.ref),
        )
        self.callback = await factories.opened(request)
        return self.callback

    async def next_attempt(self) -> Callback:
        if self.activities.pending(self.ref) is None:
            await self._run_again()
        else:
            self.activities.start(self.ref)
        return await self._open()

    async def _run_again(self) -> None:
        if self.plan.again is Again.IN_A_NEW_RUN:
            self.ref = replace(self.ref, run_id=f"run-{next(_numbers)}")
        later = self.ref.scheduled_at + timedelta(seconds=1)
        self.ref = replace(self.ref, scheduled_at=later)
        await self.begin()

    async def end_in_worker(self, outcome: Completed | Failed) -> None:
        token = self.activities.task_token(self.ref)
        self.activities.return_from(token, outcome, identity="the worker")

    async def time_out(self) -> None:
        self.activities.back_off(self.ref, TIMED_OUT)

    async def request_cancel(self) -> None:
        self.activities.request_cancel(self.ref)

    async def pause(self) -> None:
        self.activities.pause(self.ref)

    async def unpause(self) -> None:
        self.activities.unpause(self.ref)

    async def reset(self) -> None:
        self.activities.reset(self.ref)

    async def set_timeout(self, schedule_to_close: timedelta) -> None:
        self.activities.set_timeout(self.ref, self.ref.scheduled_at + schedule_to_close)

    async def reset_workflow(self) -> Callback:
        self.ref = self.activities.reset_workflow(self.ref, f"run-{next(_numbers)}")
        return await self._open()

    async def terminate(self) -> None:
        self.activities.close_workflow(self.ref, how="workflow terminated")


class FakeEnv:
    """The fake and its workflows."""

    worker = "the worker"

    def __init__(self) -> None:
        self.activities = FakeActivities()
        self.heartbeats = self.activities

    async def start(self, plan: Plan) -> FakeActivityRun:
        self.activities.most_attempts = plan.most_attempts
        (ref,) = self._refs(plan)
        run = FakeActivityRun(self.activities, plan, ref)
        await run.begin()
        return run

    async def start_many(self, plan: Plan) -> list[ActivityExecution]:
        refs = self._refs(plan)
        for ref in refs:
            self.activities.schedule(ref)
        return refs

    def _refs(self, plan: Plan) -> list[ActivityExecution]:
        number = next(_numbers)
        first = factories.activity_ref(
            workflow_id=plan.workflow_id,
            run_id=f"run-{number}",
            scheduled_at=factories.NOW + timedelta(hours=number),
        )
        return [replace(first, activity_id=str(n + 1)) for n in range(plan.activities)]


class TestFakeActivities(ActivitiesContract):
    @pytest.fixture
    def env(self) -> ActivityEnv:
        return FakeEnv()


@pytest.fixture
def env() -> FakeEnv:
    return FakeEnv()


async def test_unreachable_server_raises_and_applies_nothing(env: FakeEnv) -> None:
    run = await env.start(Plan())
    ref = run.callback.ref
    env.activities.is_reachable = False

    for way in Way:
        with pytest.raises(TemporalUnreachableError):
            await send(env, way, run.callback, RESULT)
    for call in (
        env.activities.poll([ref]),
        env.activities.resolve(ref),
        env.activities.find_after_reset(ref),
        env.heartbeats.heartbeat(run.callback, None),
    ):
        with pytest.raises(TemporalUnreachableError):
            await call

    assert env.activities.pending(ref) is not None
    assert env.activities.deliveries == []


async def test_busy_server_accepts_no_delivery(env: FakeEnv) -> None:
    run = await env.start(Plan())
    env.activities.is_busy = True

    for way in Way:
        with pytest.raises(TemporalBusyError):
            await send(env, way, run.callback, RESULT)

    assert env.activities.deliveries == []


async def test_delivery_with_lost_reply_is_applied(env: FakeEnv) -> None:
    run = await env.start(Plan())
    env.activities.loses_replies = True

    with pytest.raises(TemporalUnreachableError):
        await send(env, Way.BY_TOKEN, run.callback, RESULT)

    assert env.activities.deliveries == [(run.callback.ref, RESULT, ME)]
    assert isinstance(await env.activities.resolve(run.callback.ref), Ended)


async def test_activity_that_was_never_scheduled_can_be_ended(
    env: FakeEnv,
) -> None:
    ref = factories.activity_ref()
    before = await env.activities.resolve(ref)

    env.activities.end(ref, how="timed out")

    assert isinstance(before, Unknown)
    assert isinstance(await env.activities.resolve(ref), Ended)
