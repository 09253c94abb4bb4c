"""Services have an owner, and a failed item ends none of them."""

import asyncio
import logging
from datetime import UTC, timedelta

import pytest

from ringback.core.services import (
    OutageLog,
    SystemClock,
    TaskPool,
    run_services,
    task_group,
    wait_for_event,
)
from ringback.domain.errors import StoreUnavailableError
from tests.loops import idle


class Loop:
    """A service that records its start and its end."""

    def __init__(self, name: str, events: list[str]) -> None:
        self.name = name
        self.events = events

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.events.append(f"{self.name} stopped")


async def test_services_stop_last_first_when_the_body_ends() -> None:
    events: list[str] = []

    async with run_services(Loop("one", events), Loop("two", events)):
        await idle()
        events.append("body ended")

    assert events == ["body ended", "two stopped", "one stopped"]


async def test_exception_of_the_block_is_raised_unchanged() -> None:
    with pytest.raises(KeyError):
        async with run_services(Loop("one", [])):
            raise KeyError


async def test_exception_of_a_service_ends_the_block_and_is_raised_unchanged() -> None:
    class Broken:
        async def run(self) -> None:
            raise KeyError

    with pytest.raises(KeyError):
        async with run_services(Broken()):
            await asyncio.Event().wait()


async def test_several_errors_come_out_together() -> None:
    async def fail() -> None:
        raise KeyError

    async def fail_twice() -> None:
        async with task_group() as group:
            group.create_task(fail())
            group.create_task(fail())
            await asyncio.Event().wait()

    with pytest.raises(BaseExceptionGroup):
        await fail_twice()


async def test_failed_task_is_logged_and_the_others_continue(
    caplog: pytest.LogCaptureFixture,
) -> None:
    done: list[str] = []

    async def fail() -> None:
        raise KeyError

    async def work() -> None:
        done.append("worked")

    async with task_group() as group:
        crew = TaskPool(group, 2)
        crew.start(fail(), name="the bad one")
        crew.start(work(), name="the good one")

    assert done == ["worked"]
    (record,) = [one for one in caplog.records if one.levelno == logging.ERROR]
    assert record.getMessage() == "task failed: the bad one"


async def test_full_pool_has_room_when_a_task_ends() -> None:
    go_on = asyncio.Event()

    async def work() -> None:
        await go_on.wait()

    async with task_group() as group:
        crew = TaskPool(group, 1)
        crew.start(work(), name="work")
        waiting = asyncio.ensure_future(crew.room())
        await idle()
        was_free = waiting.done()
        go_on.set()
        await waiting

        assert not was_free
        assert crew.free == 1


async def test_retryable_error_of_a_task_is_logged_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        msg = "the database is not available"
        raise StoreUnavailableError(msg)

    async with task_group() as group:
        TaskPool(group, 1).start(fail(), name="work")

    (record,) = caplog.records
    assert record.getMessage() == "task failed: work: the database is not available"
    assert record.exc_info is None


def test_error_without_a_message_is_logged_by_its_type(caplog: pytest.LogCaptureFixture) -> None:
    last_error = OutageLog(logging.getLogger("ringback.test"), "listen for notifications")

    last_error.record(TimeoutError())
    last_error.record(TimeoutError())

    assert [record.getMessage() for record in caplog.records] == [
        "cannot listen for notifications: TimeoutError"
    ]


def test_system_clock_is_in_utc_and_monotonic_time_only_increases() -> None:
    clock = SystemClock()

    before, first = clock.monotonic(), clock.now()
    after, second = clock.monotonic(), clock.now()

    assert first.tzinfo is UTC
    assert before <= after
    assert abs(second - first) < timedelta(minutes=1)


async def test_wait_for_an_event_that_never_comes_ends_in_time() -> None:
    clock = SystemClock()
    began = clock.monotonic()

    await wait_for_event(asyncio.Event(), clock, at_most=timedelta(milliseconds=1))

    assert clock.monotonic() - began >= timedelta(milliseconds=1)
