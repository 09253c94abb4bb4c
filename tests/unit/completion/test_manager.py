"""A manager starts, completes and cancels activities from different places."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest

from ringback.completion.heartbeats import Stopped
from ringback.completion.manager import ActivityManager
from ringback.completion.refs import ActivityRef, Target
from ringback.domain.completion_errors import (
    ActivityNotFoundError,
    CompletionRefusedError,
)
from ringback.domain.errors import AnswerTooLargeError, TemporalUnreachableError
from ringback.testing import FakeCompletionClient, FakeWaitingActivity, ManualClock
from tests.loops import idle

EVERY = timedelta(seconds=30)
NAME = "video-7"


@pytest.fixture
def stops() -> list[tuple[str, Stopped]]:
    return []


@pytest.fixture
async def manager(
    completion: FakeCompletionClient, clock: ManualClock, stops: list[tuple[str, Stopped]]
) -> AsyncIterator[ActivityManager]:
    def note(name: str, why: Stopped) -> None:
        stops.append((name, why))

    async with ActivityManager(completion, on_stop=note, clock=clock) as manager:
        yield manager


async def pass_time(clock: ManualClock) -> None:
    clock.advance(EVERY)
    await idle()


async def test_heartbeats_are_sent_every_thirty_seconds(
    manager: ActivityManager,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    manager.start(NAME, ref, details="processing")
    await idle()
    manager[NAME].details = "nearly"
    await pass_time(clock)

    assert activity.heartbeats == [("processing",), ("nearly",)]
    assert NAME in manager


Ending = Callable[[ActivityManager], Awaitable[None]]
each_ending = pytest.mark.parametrize(
    ("end", "ended_by"),
    [
        pytest.param(lambda manager: manager.complete(NAME, "done"), "completed", id="complete"),
        pytest.param(lambda manager: manager.fail(NAME, ValueError("no")), "failed", id="fail"),
        pytest.param(lambda manager: manager.cancel(NAME, "why"), "canceled", id="cancel"),
    ],
)


@each_ending
async def test_end_of_an_activity_ends_its_heartbeats(
    manager: ActivityManager,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
    end: Ending,
    ended_by: str,
) -> None:
    manager.start(NAME, ref)
    await idle()
    activity.cancel()

    await end(manager)
    await pass_time(clock)

    assert activity.ended_by == ended_by
    assert len(activity.heartbeats) == 1
    assert NAME not in manager


@each_ending
async def test_unknown_name_is_rejected(
    manager: ActivityManager, end: Ending, ended_by: str
) -> None:
    assert ended_by
    with pytest.raises(ActivityNotFoundError, match=NAME):
        await end(manager)


async def test_activity_that_still_waits_after_an_error_gets_a_heartbeat_at_once(
    manager: ActivityManager,
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
) -> None:
    async def refuse(method: str, _target: Target) -> None:
        if method == "complete":
            msg = "away"
            raise TemporalUnreachableError(msg)

    manager.start(NAME, ref, details="processing")
    await idle()
    completion.before = refuse

    with pytest.raises(TemporalUnreachableError):
        await manager.complete(NAME, "done")
    await idle()
    beaten = len(activity.heartbeats)
    completion.before = None
    await manager.complete(NAME, "done")

    assert beaten == 2
    assert activity.result == "done"


async def test_work_that_was_not_asked_to_cancel_can_still_be_failed(
    manager: ActivityManager, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    manager.start(NAME, ref)

    with pytest.raises(CompletionRefusedError):
        await manager.cancel(NAME, {"reason": "no money"})
    await manager.fail(NAME, RuntimeError("no money"))

    assert activity.ended_by == "failed"


async def test_activity_that_has_ended_elsewhere_is_forgotten(
    manager: ActivityManager, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    manager.start(NAME, ref)
    activity.end()

    with pytest.raises(ActivityNotFoundError):
        await manager.complete(NAME, "done")

    assert NAME not in manager


@pytest.mark.parametrize(
    ("stop", "reason", "is_kept"),
    [
        (FakeWaitingActivity.cancel, Stopped.CANCELED, True),
        (FakeWaitingActivity.reset, Stopped.RESET, True),
        (FakeWaitingActivity.end, Stopped.GONE, False),
    ],
)
async def test_request_to_stop_is_passed_on(
    manager: ActivityManager,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    stops: list[tuple[str, Stopped]],
    stop: Callable[[FakeWaitingActivity], None],
    reason: Stopped,
    *,
    is_kept: bool,
) -> None:
    stop(activity)
    life = manager.start(NAME, ref)
    await idle()

    assert stops == [(NAME, reason)]
    assert life.stopped is reason
    assert (NAME in manager) is is_kept


async def test_request_to_stop_is_logged_if_nobody_is_called(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    caplog: pytest.LogCaptureFixture,
) -> None:
    activity.cancel()

    async with ActivityManager(completion) as manager:
        manager.start(NAME, ref)
        await idle()

    assert caplog.messages == [
        "activity should stop: video-7, since the activity was asked to cancel"
    ]


async def test_exception_of_on_stop_is_logged_and_stops_no_other_activity(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(_name: str, _why: Stopped) -> None:
        raise KeyError

    activity.cancel()

    async with ActivityManager(completion, on_stop=broken, clock=clock) as manager:
        manager.start(NAME, ref)
        manager.start("another", ActivityRef("2"))
        await idle()
        await pass_time(clock)

    assert caplog.messages == ["on_stop failed: activity video-7"]
    assert len(completion[ActivityRef("2")].heartbeats) == 2


async def test_heartbeats_that_can_never_succeed_are_logged_and_stop_no_other_activity(
    manager: ActivityManager,
    completion: FakeCompletionClient,
    ref: ActivityRef,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def refuse(_method: str, target: Target) -> None:
        if target == ref:
            raise AnswerTooLargeError(3)

    completion.before = refuse
    manager.start(NAME, ref)
    manager.start("another", ActivityRef("2"))
    await idle()
    await pass_time(clock)

    assert caplog.messages == ["no heartbeats any more: activity video-7"]
    assert len(completion[ActivityRef("2")].heartbeats) == 2


async def test_same_name_again_replaces_the_activity(
    manager: ActivityManager, completion: FakeCompletionClient, clock: ManualClock
) -> None:
    first, second = completion[b"first attempt"], completion[b"second attempt"]

    manager.start(NAME, b"first attempt")
    await idle()
    first.end()
    manager.start(NAME, b"second attempt")
    await pass_time(clock)
    await manager.complete(NAME, "done")

    assert second.result == "done"
    assert first.ended_by == "elsewhere"


async def test_end_of_the_block_sends_nothing(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async with ActivityManager(completion, clock=clock) as manager:
        manager.start(NAME, ref)
        await idle()
    await pass_time(clock)

    assert activity.ended_by is None
    assert len(activity.heartbeats) == 1
    with pytest.raises(RuntimeError, match="inside the block"):
        manager.start(NAME, ref)


async def test_activity_whose_completion_was_canceled_is_kept_alive(
    manager: ActivityManager,
    completion: FakeCompletionClient,
    ref: ActivityRef,
) -> None:
    async def hang(method: str, _target: Target) -> None:
        if method == "complete":
            await asyncio.Event().wait()

    completion.before = hang
    manager.start(NAME, ref)
    completing = asyncio.ensure_future(manager.complete(NAME, "done"))
    await idle()

    completing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await completing

    assert NAME in manager
