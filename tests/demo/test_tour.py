"""The tour of a round trip shows every step, and fails when one is missing."""

import io
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from ringback.app.system import SystemClock
from ringback.core.hooks import NO_HOOKS, Hooks
from ringback.demo.request import ActivityAction, CallRequest
from ringback.demo.stack import Observers, Ports, Stack, running_stack
from ringback.demo.tour import ROUND_TRIP, GatewaySteps, Tour
from ringback.settings import Settings

pytestmark = pytest.mark.server


@dataclass
class Shown:
    tour: Tour
    out: io.StringIO
    data: Path
    task_queue: str

    def stack(self, hooks: Hooks) -> AbstractAsyncContextManager[Stack]:
        observers = Observers(lambda _: None, on_step=self.tour.on_step, hooks=hooks)
        return running_stack(
            Ports(), Settings(data=self.data), observers, task_queue=self.task_queue
        )

    def is_shown(self, who: str, whom: str) -> bool:
        return f"{who} → {whom}" in " ".join(self.out.getvalue().split())


@pytest.fixture
def shown(
    tmp_path: Path, temporal_address: str, monkeypatch: pytest.MonkeyPatch, unique: str
) -> Shown:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    out = io.StringIO()
    return Shown(Tour(Console(file=out), SystemClock()), out, tmp_path, unique)


def call(action: ActivityAction = ActivityAction.COMPLETE) -> CallRequest:
    return CallRequest(time_to_request=0, time_to_callback=0, activity_action=action)


async def test_round_trip_shows_every_step(shown: Shown) -> None:
    async with shown.stack(GatewaySteps(shown.tour.on_step)) as stack:
        went_well = await shown.tour.make_round_trip(stack.client, shown.task_queue, call())

    assert went_well, shown.out.getvalue()
    assert [pair for pair in ROUND_TRIP if not shown.is_shown(*pair)] == []
    assert "missing" not in shown.out.getvalue()


async def test_round_trip_without_the_gateways_steps_fails_and_names_them(shown: Shown) -> None:
    async with shown.stack(NO_HOOKS) as stack:
        went_well = await shown.tour.make_round_trip(stack.client, shown.task_queue, call())

    missing = [line for line in shown.out.getvalue().splitlines() if line.startswith("missing")]
    assert not went_well
    assert missing == [
        "missing: worker → gateway",
        "missing: gateway → store",
        "missing: gateway → Temporal",
    ]


async def test_round_trip_of_a_failed_call_fails(shown: Shown) -> None:
    request = call(ActivityAction.FAIL)

    async with shown.stack(GatewaySteps(shown.tour.on_step)) as stack:
        went_well = await shown.tour.make_round_trip(stack.client, shown.task_queue, request)

    assert not went_well
    assert "failed: the work could not be done" in shown.out.getvalue()
