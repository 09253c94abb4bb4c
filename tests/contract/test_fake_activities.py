"""The fake keeps what the core relies on at Temporal, and makes trouble when it is told to."""

from dataclasses import replace
from datetime import timedelta
from itertools import count

import pytest

from ringback.domain.activity_state import Ended, Unknown
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.errors import TemporalBusyError, TemporalUnreachableError
from ringback.domain.outcome import Completed, Failed
from ringback.testing import FakeActivities
from tests import factories
from tests.contract.activities.stage import (
    ME,
    RESULT,
    TIMED_OUT,
    Again,
    Plan,
    Stage,
    Way,
    asked_with,
    send,
)
from tests.contract.activities_contract import ActivitiesContract

_numbers = count(1)


class FakeScene:
    """A workflow of the fake's."""

    def __init__(self, activities: FakeActivities, plan: Plan, ref: ActivityExecution) -> None:
        self.activities = activities
        self.plan = plan
        self.ref = ref
        self.asked: Callback

    async def begin(self) -> None:
        """Schedule the activity, and let its attempt ask."""
        self.activities.schedule(
            self.ref,
            is_started=self.plan.has_worker,
            start_to_close=self.plan.start_to_close,
            schedule_to_close=self.plan.schedule_to_close,
        )
        await self._ask()

    async def _ask(self) -> Callback:
        pending = self.activities.pending(self.ref)
        assert pending is not None, "an attempt asks while the activity waits"
        request = factories.request(
            ref=self.ref,
            attempt=pending.attempt,
            attempt_started_at=pending.started_at,
            task_token=self.activities.task_token(self.ref),
        )
        self.asked = await asked_with(request)
        return self.asked

    async def next_attempt(self) -> Callback:
        if self.activities.pending(self.ref) is None:
            await self._run_again()
        else:
            self.activities.start(self.ref)
        return await self._ask()

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
        return await self._ask()

    async def terminate(self) -> None:
        self.activities.close_workflow(self.ref, how="workflow terminated")


class FakeStage:
    """The fake, and workflows on it."""

    worker = "the worker"

    def __init__(self) -> None:
        self.activities = FakeActivities()
        self.heartbeats = self.activities

    async def ask(self, plan: Plan) -> FakeScene:
        self.activities.most_attempts = plan.most_attempts
        (ref,) = self._refs(plan)
        scene = FakeScene(self.activities, plan, ref)
        await scene.begin()
        return scene

    async def ask_many(self, plan: Plan) -> list[ActivityExecution]:
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
    def stage(self) -> Stage:
        return FakeStage()


@pytest.fixture
def stage() -> FakeStage:
    return FakeStage()


async def test_a_server_that_is_switched_off_tells_and_takes_nothing(stage: FakeStage) -> None:
    scene = await stage.ask(Plan())
    ref = scene.asked.ref
    stage.activities.is_reachable = False

    for way in Way:
        with pytest.raises(TemporalUnreachableError):
            await send(stage, way, scene.asked, RESULT)
    for call in (
        stage.activities.poll([ref]),
        stage.activities.resolve(ref),
        stage.activities.find_after_reset(ref),
        stage.heartbeats.heartbeat(scene.asked, None),
    ):
        with pytest.raises(TemporalUnreachableError):
            await call

    assert stage.activities.pending(ref) is not None
    assert stage.activities.deliveries == []


async def test_a_busy_server_takes_no_delivery(stage: FakeStage) -> None:
    scene = await stage.ask(Plan())
    stage.activities.is_busy = True

    for way in Way:
        with pytest.raises(TemporalBusyError):
            await send(stage, way, scene.asked, RESULT)

    assert stage.activities.deliveries == []


async def test_a_lost_reply_is_that_of_a_delivery_that_was_applied(stage: FakeStage) -> None:
    scene = await stage.ask(Plan())
    stage.activities.loses_replies = True

    with pytest.raises(TemporalUnreachableError):
        await send(stage, Way.BY_TOKEN, scene.asked, RESULT)

    assert stage.activities.deliveries == [(scene.asked.ref, RESULT, ME)]
    assert isinstance(await stage.activities.resolve(scene.asked.ref), Ended)


async def test_an_activity_that_was_never_scheduled_may_still_be_said_to_have_ended(
    stage: FakeStage,
) -> None:
    ref = factories.activity_ref()
    before = await stage.activities.resolve(ref)

    stage.activities.end(ref, how="timed out")

    assert isinstance(before, Unknown)
    assert isinstance(await stage.activities.resolve(ref), Ended)
