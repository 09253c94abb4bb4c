"""Heartbeats keep an activity alive during the work, and report when it should stop."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from ringback.completion.heartbeats import Stopped
from ringback.completion.keepalive import OnStop, keeping_alive
from ringback.completion.refs import ActivityRef, Target
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
    CompletionRefusedError,
)
from ringback.domain.errors import (
    EncodingError,
    RetryableError,
    RingbackError,
    TemporalUnreachableError,
)
from ringback.testing import FakeCompletionClient, FakeWaitingActivity, ManualClock
from tests.loops import idle

EVERY = timedelta(seconds=10)


class Away:
    """A server that is away until the test brings it back."""

    def __init__(self, *, retry_after: timedelta | None = None) -> None:
        self.is_away = True
        self.tries = 0
        self.retry_after = retry_after

    async def __call__(self, _told: str, _target: Target) -> None:
        self.tries += 1
        if self.is_away:
            msg = "Temporal does not answer"
            raise TemporalUnreachableError(msg, retry_after=self.retry_after)


async def pass_time(clock: ManualClock, by: timedelta = EVERY) -> None:
    clock.advance(by)
    await idle()


async def forever() -> None:
    await asyncio.Event().wait()


STOPS = [
    pytest.param(
        FakeWaitingActivity.cancel, Stopped.CANCELED, ActivityCancelledError, id="canceled"
    ),
    pytest.param(FakeWaitingActivity.reset, Stopped.RESET, ActivityResetError, id="reset"),
    pytest.param(FakeWaitingActivity.end, Stopped.GONE, ActivityNotFoundError, id="gone"),
    pytest.param(FakeWaitingActivity.pause, Stopped.PAUSED, ActivityPausedError, id="paused"),
]
each_stop = pytest.mark.parametrize(("stop", "reason", "error"), STOPS)
Stop = Callable[[FakeWaitingActivity], None]


async def test_heartbeat_is_sent_at_once_and_then_at_each_interval(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    counts = []

    async with keeping_alive(completion, ref, every=EVERY, clock=clock):
        await idle()
        counts.append(len(activity.heartbeats))
        await pass_time(clock, EVERY - timedelta(microseconds=1))
        counts.append(len(activity.heartbeats))
        await pass_time(clock, timedelta(microseconds=1))
        counts.append(len(activity.heartbeats))
        await pass_time(clock)
        counts.append(len(activity.heartbeats))

    assert counts == [1, 1, 2, 3]


async def test_no_heartbeat_is_sent_after_the_block(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async with keeping_alive(completion, ref, every=EVERY, clock=clock):
        await idle()

    await pass_time(clock)

    assert len(activity.heartbeats) == 1


async def test_callable_returns_the_details_of_each_heartbeat(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    done = 0

    async with keeping_alive(
        completion, ref, every=EVERY, details=lambda: {"done": done}, clock=clock
    ):
        await idle()
        done = 7
        await pass_time(clock)

    assert activity.heartbeats == [({"done": 0},), ({"done": 7},)]


async def test_latest_details_are_sent(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async with keeping_alive(completion, ref, every=EVERY, details="begun", clock=clock) as life:
        await idle()
        life.details = "a third"
        life.details = "a half"
        await pass_time(clock)

    assert activity.heartbeats == [("begun",), ("a half",)]


async def test_heartbeat_without_details_preserves_the_recorded_ones(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async with keeping_alive(completion, ref, every=EVERY, details="begun", clock=clock) as life:
        await idle()
        life.details = None
        await pass_time(clock)

    assert activity.heartbeats == [("begun",), ()]
    assert activity.details == ("begun",)


@each_stop
async def test_work_that_should_stop_is_canceled_with_the_reason(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
    stop: Stop,
    reason: Stopped,
    error: type[RingbackError],
) -> None:
    cleaned_up = []

    async def work() -> None:
        async with keeping_alive(
            completion, ref, every=EVERY, on_pause="stop", clock=clock
        ) as life:
            await idle()
            stop(activity)
            clock.advance(EVERY)
            try:
                await forever()
            finally:
                cleaned_up.extend([life.stopped, life.error])

    with pytest.raises(error) as raised:
        await work()

    assert cleaned_up == [reason, raised.value]


@each_stop
async def test_work_with_on_stop_continue_runs_on_and_sees_the_reason(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
    stop: Stop,
    reason: Stopped,
    error: type[RingbackError],
) -> None:
    async with keeping_alive(
        completion, ref, every=EVERY, on_stop="continue", on_pause="stop", clock=clock
    ) as life:
        await idle()
        before = life.stopped
        stop(activity)
        clock.advance(EVERY)
        why = await life.until_stopped()
        await idle()

    assert (before, why, life.stopped) == (None, reason, reason)
    assert type(life.error) is error


@each_stop
async def test_stop_that_the_block_did_not_read_is_raised_after_it(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
    stop: Stop,
    reason: Stopped,  # noqa: ARG001 - the block does not read it
    error: type[RingbackError],
) -> None:
    done = []

    async def work() -> None:
        async with keeping_alive(
            completion, ref, every=EVERY, on_stop="continue", on_pause="stop", clock=clock
        ):
            await idle()
            stop(activity)
            await pass_time(clock)
            done.append("all of it")

    with pytest.raises(error):
        await work()

    assert done == ["all of it"]


async def test_block_that_reads_whether_to_stop_is_not_ended_by_a_late_request(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async with keeping_alive(completion, ref, every=EVERY, on_stop="continue", clock=clock) as life:
        assert life.stopped is None
        activity.cancel()
        await idle()

    assert life.stopped is Stopped.CANCELED


async def test_work_that_continues_although_it_should_stop_is_logged(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    activity.cancel()

    async with keeping_alive(completion, ref, every=EVERY, on_stop="continue", clock=clock) as life:
        await life.until_stopped()

    assert caplog.messages == [
        "work continues, though it should stop: the activity was asked to cancel"
    ]


async def test_exception_of_a_block_that_did_not_read_the_stop_is_raised_unchanged(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    activity.cancel()

    async def work() -> None:
        async with keeping_alive(completion, ref, every=EVERY, on_stop="continue", clock=clock):
            await idle()
            raise KeyError

    with pytest.raises(KeyError):
        await work()


@pytest.mark.parametrize("on_stop", ["continue", "cancel"])
async def test_heartbeats_stop_when_the_work_should_stop(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
    on_stop: OnStop,
) -> None:
    activity.cancel()

    async with keeping_alive(completion, ref, every=EVERY, on_stop=on_stop, clock=clock) as life:
        try:
            await life.until_stopped()
            await idle()
        except asyncio.CancelledError:
            await pass_time(clock)
        await pass_time(clock)

    assert len(activity.heartbeats) == 1


async def test_pause_is_shown_and_heartbeats_continue(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    shown = []

    async with keeping_alive(completion, ref, every=EVERY, clock=clock) as life:
        await idle()
        shown.append(life.is_paused)
        activity.pause()
        await pass_time(clock)
        shown.append(life.is_paused)
        activity.unpause()
        await pass_time(clock)
        shown.append(life.is_paused)

    assert shown == [False, True, False]
    assert len(activity.heartbeats) == 3
    assert life.stopped is None


async def test_work_that_ignores_its_cancellation_ends_normally(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    activity.cancel()
    task = asyncio.current_task()
    assert task is not None

    async with keeping_alive(completion, ref, every=EVERY, clock=clock) as life:
        try:
            await forever()
        except asyncio.CancelledError:
            result = "the rest was quick"

    assert result == "the rest was quick"
    assert life.stopped is Stopped.CANCELED
    assert task.cancelling() == 0


async def test_exception_during_cancellation_is_raised_alone(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    activity.cancel()
    task = asyncio.current_task()
    assert task is not None

    async def work() -> None:
        async with keeping_alive(completion, ref, every=EVERY, clock=clock):
            try:
                await forever()
            except asyncio.CancelledError:
                raise KeyError from None

    with pytest.raises(KeyError):
        await work()

    assert task.cancelling() == 0


async def test_exception_of_the_work_is_raised_unchanged_and_heartbeats_end(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async def work() -> None:
        async with keeping_alive(completion, ref, every=EVERY, clock=clock):
            await idle()
            raise KeyError

    with pytest.raises(KeyError):
        await work()

    await pass_time(clock)
    assert len(activity.heartbeats) == 1


async def test_program_that_stops_cancels_the_work(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async def work() -> None:
        async with keeping_alive(completion, ref, every=EVERY, clock=clock):
            await forever()

    task = asyncio.ensure_future(work())
    await idle()

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    await pass_time(clock)
    assert len(activity.heartbeats) == 1


async def test_canceled_activity_does_not_delay_a_program_that_stops(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async def work() -> None:
        async with keeping_alive(completion, ref, every=EVERY, clock=clock) as life:
            life.when_stopped(lambda _: (block.cancel(), block.cancel()))
            await forever()

    activity.cancel()
    block = asyncio.ensure_future(work())

    with pytest.raises(asyncio.CancelledError):
        await block


async def test_failed_heartbeat_is_retried_within_the_interval(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    completion.before = away = Away()

    async with keeping_alive(completion, ref, every=EVERY, clock=clock) as life:
        await idle()
        for _ in range(2):
            await pass_time(clock, timedelta(seconds=1))
        is_failing, tries = life.is_failing, away.tries
        away.is_away = False
        await pass_time(clock, timedelta(seconds=1))
        afterwards = life.is_failing
        await pass_time(clock, EVERY)

    assert (is_failing, tries, afterwards) == (True, 3, False)
    assert len(activity.heartbeats) == 2
    (record,) = [one for one in caplog.records if one.levelno == logging.WARNING]
    assert record.getMessage() == "cannot keep an activity alive: Temporal does not answer"


async def test_failed_heartbeat_is_retried_after_retry_after_but_within_the_interval(
    completion: FakeCompletionClient, ref: ActivityRef, clock: ManualClock
) -> None:
    completion.before = away = Away(retry_after=timedelta(seconds=7))
    tries = []

    async with keeping_alive(completion, ref, every=EVERY, clock=clock):
        await idle()
        await pass_time(clock, timedelta(seconds=6))
        tries.append(away.tries)
        await pass_time(clock, timedelta(seconds=1))
        tries.append(away.tries)
        away.retry_after = timedelta(hours=1)
        await pass_time(clock, timedelta(seconds=7))
        await pass_time(clock, EVERY)
        tries.append(away.tries)

    assert tries == [1, 2, 4]


@pytest.mark.parametrize(
    ("every", "patience"),
    [
        (timedelta(milliseconds=100), timedelta(seconds=1)),
        (timedelta(seconds=3), timedelta(seconds=3)),
        (timedelta(hours=1), timedelta(seconds=10)),
    ],
)
async def test_hanging_heartbeat_times_out_before_the_next_one(
    ref: ActivityRef, clock: ManualClock, every: timedelta, patience: timedelta
) -> None:
    limits = []

    class Listening(FakeCompletionClient):
        async def heartbeat(
            self, activity: Target, *details: object, rpc_timeout: timedelta | None = None
        ) -> None:
            limits.append(rpc_timeout)
            await super().heartbeat(activity, *details)

    async with keeping_alive(Listening(), ref, every=every, clock=clock):
        await idle()

    assert limits == [patience]


class Slow:
    """A server whose replies wait until the test releases them."""

    def __init__(self, then: Callable[[], Awaitable[None]] | None = None) -> None:
        self.asked = asyncio.Event()
        self.go_on = asyncio.Event()
        self.then = then

    async def __call__(self, _told: str, _target: Target) -> None:
        self.asked.set()
        await self.go_on.wait()
        if self.then is not None:
            await self.then()


async def test_block_ends_after_the_heartbeat_in_flight(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    completion.before = slow = Slow()

    async def work() -> int:
        async with keeping_alive(completion, ref, every=EVERY, clock=clock):
            await slow.asked.wait()
        return len(activity.heartbeats)

    block = asyncio.ensure_future(work())
    await idle()
    was_over = block.done()
    slow.go_on.set()

    assert not was_over
    assert await block == 1


@pytest.mark.parametrize("what", ["canceled", "refused"])
async def test_reply_after_the_work_is_ignored(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
    what: str,
) -> None:
    async def refuse() -> None:
        if what == "refused":
            msg = "too large"
            raise CompletionRefusedError(msg)
        activity.cancel()

    completion.before = slow = Slow(refuse)

    async with keeping_alive(completion, ref, every=EVERY, clock=clock) as life:
        await slow.asked.wait()
        slow.go_on.set()

    assert life.stopped is None


@pytest.mark.parametrize("on_stop", ["continue", "cancel"])
async def test_heartbeat_that_can_never_succeed_ends_the_work(
    completion: FakeCompletionClient, ref: ActivityRef, clock: ManualClock, on_stop: OnStop
) -> None:
    async def refuse(_told: str, _target: Target) -> None:
        msg = "the details are too large"
        raise CompletionRefusedError(msg)

    completion.before = refuse

    with pytest.raises(CompletionRefusedError):
        async with keeping_alive(completion, ref, every=EVERY, on_stop=on_stop, clock=clock):
            await forever()


async def test_exception_of_the_callable_for_details_ends_the_work(
    completion: FakeCompletionClient, ref: ActivityRef, clock: ManualClock
) -> None:
    def details() -> object:
        raise KeyError

    with pytest.raises(KeyError):
        async with keeping_alive(completion, ref, every=EVERY, details=details, clock=clock):
            await forever()


@pytest.mark.parametrize("error", [OSError, EncodingError])
async def test_heartbeat_is_sent_without_details_that_cannot_be_encoded(
    ref: ActivityRef,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    error: type[OSError | EncodingError],
) -> None:
    class WithoutKeys(FakeCompletionClient):
        async def heartbeat(
            self, activity: Target, *details: object, rpc_timeout: timedelta | None = None
        ) -> None:
            if details == ("secret",):
                msg = "cannot encrypt 'secret'"
                raise error(msg)
            await super().heartbeat(activity, *details, rpc_timeout=rpc_timeout)

    completion = WithoutKeys()

    async with keeping_alive(completion, ref, every=EVERY, details="secret", clock=clock) as life:
        await idle()
        await pass_time(clock)
        life.details = "plain"
        await pass_time(clock)
        life.details = "secret"
        await pass_time(clock)

    assert completion[ref].heartbeats == [(), (), ("plain",), ()]
    assert [record.getMessage() for record in caplog.records] == [
        f"cannot encode the details of a heartbeat: {error.__name__}"
    ] * 2


@pytest.mark.parametrize("every", [timedelta(0), timedelta(seconds=-1)])
async def test_interval_of_zero_is_rejected(
    completion: FakeCompletionClient, ref: ActivityRef, every: timedelta
) -> None:
    with pytest.raises(ValueError, match="every"):
        async with keeping_alive(completion, ref, every=every):
            await forever()


async def test_pause_is_not_logged_as_an_outage(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    assert issubclass(ActivityPausedError, RetryableError)
    activity.pause()

    async with keeping_alive(completion, ref, every=EVERY, clock=clock) as life:
        await idle()

    assert not life.is_failing


@pytest.mark.parametrize("stops", [["1"], ["2"], ["1", "2"]], ids=["outer", "inner", "both"])
async def test_nested_work_stops_with_the_error_of_the_canceled_activity(
    completion: FakeCompletionClient, clock: ManualClock, stops: list[str]
) -> None:
    outer, inner = ActivityRef("1"), ActivityRef("2")
    lives = {}
    task = asyncio.current_task()
    assert task is not None

    async def work() -> None:
        async with (
            keeping_alive(completion, outer, every=EVERY, clock=clock) as lives["1"],
            keeping_alive(completion, inner, every=EVERY, clock=clock) as lives["2"],
        ):
            await idle()
            for activity_id in stops:
                completion[ActivityRef(activity_id)].cancel()
            clock.advance(EVERY)
            await forever()

    with pytest.raises(ActivityCancelledError) as raised:
        await work()

    assert raised.value is lives[stops[0]].error
    assert task.cancelling() == 0


async def test_timeout_around_the_work_raises_timeout_error(
    completion: FakeCompletionClient, ref: ActivityRef, clock: ManualClock
) -> None:
    async def work() -> None:
        async with asyncio.timeout(0), keeping_alive(completion, ref, every=EVERY, clock=clock):
            await forever()

    with pytest.raises(TimeoutError):
        await work()
