"""Calls, in this process, on a real Temporal server."""

import logging
import re
from collections.abc import Sequence
from typing import Any

import pytest

from ringback.app.system import SystemClock
from ringback.demo.call import (
    Ending,
    WorkflowCall,
    WorkflowCanceled,
    WorkflowFailed,
    WorkflowReturned,
    start_call,
)
from ringback.demo.request import ActivityAction, CallRequest
from ringback.demo.workflow import CallService
from tests.demo.whole_demo import Demo

pytestmark = pytest.mark.server


async def start(demo: Demo, request: CallRequest) -> WorkflowCall:
    return await start_call(demo.temporal, request, SystemClock())


async def ended(call: WorkflowCall) -> Ending:
    async for _ in call.looks():
        pass
    return await call.ending()


def done(seconds: int) -> WorkflowReturned:
    return WorkflowReturned({"message": "the work is done", "seconds": seconds})


@pytest.mark.parametrize(("time_to_request", "time_to_callback"), [(0, 0), (0, 1), (1, 1)])
async def test_callback_completes_the_activity(
    demo: Demo, time_to_request: int, time_to_callback: int
) -> None:
    call = await start(demo, CallRequest(time_to_request, time_to_callback))

    assert await ended(call) == done(time_to_callback)


async def test_final_failure_of_the_service_fails_the_workflow(demo: Demo) -> None:
    call = await start(demo, CallRequest(0, 0, ActivityAction.FAIL))

    assert await ended(call) == WorkflowFailed("the work could not be done", "WorkFailed")


async def test_temporal_shows_the_details_of_each_heartbeat(demo: Demo) -> None:
    call = await start(demo, CallRequest(0, 0, ActivityAction.HEARTBEAT))

    seen: list[Sequence[Any]] = []
    async for look in call.looks():
        seen += [look.heartbeat] if look.heartbeat not in ([], *seen[-1:]) else []

    assert seen == [[{"progress": "1/3"}], [{"progress": "2/3"}], [{"progress": "3/3"}]]
    assert await call.ending() == done(0)


async def test_workflow_gets_the_details_of_a_cancellation(demo: Demo) -> None:
    call = await start(demo, CallRequest(0, 0, ActivityAction.REPORT_CANCELLATION))

    is_canceled = False
    async for look in call.looks():
        if look.is_asked and not is_canceled:
            is_canceled = True
            await call.cancel()

    assert await call.ending() == WorkflowCanceled([{"reason": "the service was asked to stop"}])


async def test_call_without_a_worker_is_reported(demo: Demo, unique: str) -> None:
    handle = await demo.temporal.start_workflow(
        CallService.run, CallRequest(), id=unique, task_queue=unique
    )
    call = WorkflowCall(demo.temporal, handle, SystemClock())

    look = await anext(call.looks())
    await handle.terminate()

    assert (look.is_taken_up, look.is_asked) == (False, False)
    assert await ended(call) == WorkflowFailed("terminated by user via frontend", "TerminatedError")


async def test_canceling_an_ended_call_changes_nothing(demo: Demo) -> None:
    call = await start(demo, CallRequest(0, 0))
    await ended(call)

    await call.cancel()

    assert await call.ending() == done(0)


async def test_every_step_is_reported_without_the_link(
    demo: Demo, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="ringback")

    await ended(await start(demo, CallRequest(0, 1)))

    records = [vars(record) for record in caplog.records]
    said = [(fact["who"], fact["whom"], fact["what"]) for fact in records if "who" in fact]
    callback_id = next(fact["callback_id"] for fact in records if fact.get("callback_id"))
    assert said[:6] == [
        ("client", "Temporal", "start CallService"),
        ("Temporal", "worker", "run the activity (attempt 1)"),
        ("worker", "service", f"POST /request ({callback_id})"),
        ("service", "worker", "200"),
        ("worker", "Temporal", "asked; the callback will end the activity"),
        ("service", "gateway", "POST … (complete)"),
    ]
    # The answer is kept before it is delivered; which news travels faster is open.
    assert sorted(said[6:]) == [
        ("Temporal", "client", "the result"),
        ("gateway", "service", "202"),
    ]
    # A record also names the file that it comes from, which may lie in any folder.
    assert not re.search(r"/c/k[0-9a-f]+\.", str(records))


async def test_rejected_request_is_not_retried(demo: Demo) -> None:
    call = await start(demo, CallRequest(-1, 0))

    assert await ended(call) == WorkflowFailed(
        "the service refused the request (status 422)", "ServiceRefusedError"
    )


async def test_callback_before_the_service_has_replied_counts(demo: Demo) -> None:
    # The last test here: its activity goes on, and would tell steps in another test's log.
    call = await start(demo, CallRequest(3, 0))

    assert await ended(call) == done(0)
    assert await seconds_taken(demo, call) < 3


async def seconds_taken(demo: Demo, call: WorkflowCall) -> float:
    seen = await demo.temporal.get_workflow_handle(call.workflow_id).describe()
    assert seen.close_time is not None
    return (seen.close_time - seen.start_time).total_seconds()
