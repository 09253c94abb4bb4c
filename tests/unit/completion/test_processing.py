"""The end of the work is the end of the activity."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from temporalio.exceptions import ApplicationError

from ringback.completion.failures import fail_with
from ringback.completion.heartbeats import Stopped
from ringback.completion.processing import Processing, process, processing
from ringback.completion.refs import ActivityRef, Target
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
    CompletionRefusedError,
)
from ringback.domain.errors import RingbackError, TemporalUnreachableError
from ringback.testing import FakeCompletionClient, FakeWaitingActivity, ManualClock
from tests.loops import idle

EVERY = timedelta(seconds=10)


async def forever(_work: Processing) -> str:
    await asyncio.Event().wait()
    return "never"


async def returns(_work: Processing) -> str:
    return "receipt"


async def raises(_work: Processing) -> str:
    declined = fail_with("CardDeclined")
    raise declined


class Away:
    """A server that is away for one kind of request."""

    def __init__(self, verb: str) -> None:
        self.verb = verb

    async def __call__(self, verb: str, _target: Target) -> None:
        if verb == self.verb:
            msg = "Temporal does not answer"
            raise TemporalUnreachableError(msg)


async def test_end_of_the_block_completes_the_activity(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    async with processing(completion, ref) as work:
        heartbeats = len(activity.heartbeats)
        work.result = "a draft"
        work.result = "receipt"

    assert heartbeats == 1
    assert (activity.ended_by, activity.result) == ("completed", "receipt")


async def test_return_value_of_a_function_completes_the_activity(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    assert await process(completion, ref, returns) == "receipt"

    assert (activity.ended_by, activity.result) == ("completed", "receipt")


async def test_none_can_be_the_result(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    async with processing(completion, ref) as work:
        work.result = None

    assert (activity.ended_by, activity.result) == ("completed", None)


async def test_block_without_a_result_fails_the_activity(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    with pytest.raises(LookupError, match="ended without a result for the activity"):
        async with processing(completion, ref):
            pass

    assert activity.ended_by == "failed"


async def test_exception_fails_the_activity_and_propagates(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    with pytest.raises(ApplicationError) as raised:
        await process(completion, ref, raises)

    assert activity.ended_by == "failed"
    assert activity.failure is raised.value


async def test_rejected_result_never_becomes_a_failure(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    completion.before = Away("complete")
    block = processing(completion, ref)

    async def work() -> None:
        async with block:
            block.result = "receipt"

    with pytest.raises(TemporalUnreachableError):
        await work()

    assert activity.ended_by is None
    assert block.result == "receipt"


async def test_exception_propagates_although_temporal_rejects_the_failure(
    completion: FakeCompletionClient, ref: ActivityRef
) -> None:
    completion.before = Away("fail")

    with pytest.raises(ApplicationError) as raised:
        await process(completion, ref, raises)

    assert raised.value.__notes__ == [
        "the activity did not receive this failure: TemporalUnreachableError: "
        "Temporal does not answer"
    ]


async def test_note_shows_no_text_of_the_data_converter(
    completion: FakeCompletionClient, ref: ActivityRef
) -> None:
    async def cannot_encode(verb: str, _target: Target) -> None:
        if verb == "fail":
            msg = "cannot encode 'a secret'"
            raise TypeError(msg)

    completion.before = cannot_encode

    with pytest.raises(ApplicationError) as raised:
        await process(completion, ref, raises)

    assert raised.value.__notes__ == ["the activity did not receive this failure: TypeError"]


class SealedError(Exception):
    """An error that allows no notes."""

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


async def test_undelivered_failure_is_logged_if_the_exception_allows_no_note(
    completion: FakeCompletionClient, ref: ActivityRef, caplog: pytest.LogCaptureFixture
) -> None:
    async def raises_what_takes_no_notes(_work: Processing) -> None:
        raise SealedError

    completion.before = Away("fail")

    with pytest.raises(SealedError):
        await process(completion, ref, raises_what_takes_no_notes)

    assert "the activity did not receive a failure: TemporalUnreachableError" in caplog.text


async def test_awaiting_a_canceled_task_fails_the_activity(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    canceled: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    canceled.cancel()

    async def work(_block: Processing) -> str:
        return await canceled

    with pytest.raises(asyncio.CancelledError):
        await process(completion, ref, work, every=EVERY)

    assert activity.ended_by == "failed"
    assert str(activity.failure) == "the work was canceled from within"


async def test_cancellation_that_the_blocks_own_heartbeat_raises_is_reported(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    async def work(block: Processing) -> None:
        activity.cancel()
        block.cancel_details = ("three frames",)
        await completion.heartbeat(ref, 3)

    with pytest.raises(ActivityCancelledError):
        await process(completion, ref, work)

    assert (activity.ended_by, activity.cancel_details) == ("canceled", ("three frames",))


async def test_cancellation_of_another_activity_fails_this_one(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    other = ActivityRef("2", "order-42")
    completion[other].cancel()

    async def work(_block: Processing) -> None:
        await completion.heartbeat(other)

    with pytest.raises(ActivityCancelledError):
        await process(completion, ref, work)

    assert activity.ended_by == "failed"
    assert isinstance(activity.failure, ActivityCancelledError)


async def test_work_does_not_start_for_an_ended_activity(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    begun = []
    activity.end()

    async def work(_block: Processing) -> None:
        begun.append("work")

    with pytest.raises(ActivityNotFoundError):
        await process(completion, ref, work)

    assert begun == []


async def test_work_does_not_start_while_temporal_is_away(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    completion.before = Away("heartbeat")

    with pytest.raises(TemporalUnreachableError):
        await process(completion, ref, returns)

    assert activity.ended_by is None


async def test_heartbeat_that_can_never_succeed_fails_the_activity(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async def refuse(verb: str, _target: Target) -> None:
        if verb == "heartbeat" and activity.heartbeats:
            msg = "the details are too large"
            raise CompletionRefusedError(msg)

    completion.before = refuse
    work = asyncio.ensure_future(process(completion, ref, forever, every=EVERY, clock=clock))
    await idle()
    clock.advance(EVERY)

    with pytest.raises(CompletionRefusedError):
        await work

    assert isinstance(activity.failure, CompletionRefusedError)


async def test_canceled_activity_is_reported_without_starting_the_work(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    activity.cancel()

    with pytest.raises(ActivityCancelledError):
        await process(completion, ref, returns)

    assert activity.ended_by == "canceled"


async def test_cancellation_is_reported_with_its_details(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async def work(block: Processing) -> None:
        try:
            await forever(block)
        finally:
            block.cancel_details = ({"undone": 3}, block.stopped)

    work_done = asyncio.ensure_future(process(completion, ref, work, every=EVERY, clock=clock))
    await idle()
    activity.cancel()
    clock.advance(EVERY)

    with pytest.raises(ActivityCancelledError):
        await work_done

    assert activity.ended_by == "canceled"
    assert activity.cancel_details == ({"undone": 3}, Stopped.CANCELED)


async def test_canceled_work_that_returns_a_result_completes_the_activity(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    async def work(block: Processing) -> str:
        try:
            return await forever(block)
        except asyncio.CancelledError:
            return "it was too late to undo it"

    work_done = asyncio.ensure_future(process(completion, ref, work, every=EVERY, clock=clock))
    await idle()
    activity.cancel()
    clock.advance(EVERY)

    assert await work_done == "it was too late to undo it"
    assert (activity.ended_by, activity.result) == ("completed", "it was too late to undo it")


@pytest.mark.parametrize(
    ("stop", "error", "type_"),
    [
        pytest.param(FakeWaitingActivity.reset, ActivityResetError, "ActivityReset", id="reset"),
        pytest.param(FakeWaitingActivity.pause, ActivityPausedError, "ActivityPause", id="paused"),
    ],
)
async def test_reset_cancels_the_work_and_fails_the_attempt(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
    stop: Callable[[FakeWaitingActivity], None],
    error: type[RingbackError],
    type_: str,
) -> None:
    work = asyncio.ensure_future(
        process(completion, ref, forever, every=EVERY, on_pause="stop", clock=clock)
    )
    await idle()
    stop(activity)
    clock.advance(EVERY)

    with pytest.raises(error):
        await work

    assert isinstance(activity.failure, ApplicationError)
    assert (activity.failure.type, activity.failure.non_retryable) == (type_, False)


async def test_work_continues_during_a_pause(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    activity.pause()

    async with processing(completion, ref, every=EVERY, clock=clock) as work:
        was_paused = work.is_paused
        await idle()
        clock.advance(EVERY)
        await idle()
        work.result = "receipt"

    assert was_paused
    assert len(activity.heartbeats) == 2
    assert activity.result == "receipt"


async def test_work_is_canceled_without_a_report_when_the_activity_ended(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    calls = []

    async def listen(verb: str, _target: Target) -> None:
        calls.append(verb)

    completion.before = listen
    work = asyncio.ensure_future(process(completion, ref, forever, every=EVERY, clock=clock))
    await idle()
    activity.end()
    clock.advance(EVERY)

    with pytest.raises(ActivityNotFoundError):
        await work

    assert calls == ["heartbeat", "heartbeat"]


async def test_program_that_stops_sends_nothing(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    work = asyncio.ensure_future(process(completion, ref, forever, every=EVERY, clock=clock))
    await idle()

    work.cancel()

    with pytest.raises(asyncio.CancelledError):
        await work
    assert activity.ended_by is None


async def test_activity_is_completed_after_the_last_heartbeat(
    completion: FakeCompletionClient,
    ref: ActivityRef,
    activity: FakeWaitingActivity,
    clock: ManualClock,
) -> None:
    calls = []
    go_on = asyncio.Event()

    async def slowly(verb: str, _target: Target) -> None:
        if activity.heartbeats and verb == "heartbeat":
            await go_on.wait()
        calls.append(verb)

    completion.before = slowly
    async with processing(completion, ref, every=EVERY, details="begun", clock=clock) as work:
        await idle()
        work.details = "nearly done"
        clock.advance(EVERY)
        await idle()
        work.result = "receipt"
        go_on.set()

    assert calls == ["heartbeat", "heartbeat", "complete"]
    assert activity.heartbeats == [("begun",), ("nearly done",)]


async def test_work_starts_although_details_cannot_be_encoded(
    ref: ActivityRef, caplog: pytest.LogCaptureFixture
) -> None:
    class WithoutKeys(FakeCompletionClient):
        async def heartbeat(
            self, activity: Target, *details: object, rpc_timeout: timedelta | None = None
        ) -> None:
            if details:
                msg = f"cannot encrypt {details}"
                raise TypeError(msg)
            await super().heartbeat(activity, *details, rpc_timeout=rpc_timeout)

    completion = WithoutKeys()

    async with processing(completion, ref, details="secret") as work:
        work.result = "receipt"

    assert completion[ref].result == "receipt"
    assert completion[ref].heartbeats == [()]
    assert [record.getMessage() for record in caplog.records] == [
        "cannot encode the details of a heartbeat: TypeError"
    ]


async def test_exception_of_the_callable_for_details_prevents_the_work(
    completion: FakeCompletionClient, ref: ActivityRef, activity: FakeWaitingActivity
) -> None:
    def say() -> object:
        msg = "nothing to say"
        raise LookupError(msg)

    with pytest.raises(LookupError, match="nothing to say"):
        await process(completion, ref, returns, details=say)

    assert activity.heartbeats == []
    assert activity.ended_by is None


async def test_details_can_be_read(completion: FakeCompletionClient, ref: ActivityRef) -> None:
    async with processing(completion, ref, details="begun") as work:
        assert work.details == "begun"
        assert work.stopped is None
        work.result = None


async def test_reading_a_missing_result_raises(
    completion: FakeCompletionClient, ref: ActivityRef
) -> None:
    block = processing(completion, ref)

    with pytest.raises(LookupError):
        _ = block.result
