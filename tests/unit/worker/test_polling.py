"""A poll of the sender that does not end is left behind."""

import asyncio
from contextlib import suppress
from datetime import timedelta
from threading import Event

from ringback.domain.ids import CallbackId
from ringback.worker.callback import Callback
from ringback.worker.polling import PollTimeoutError, poll_async, poll_sync, to_report
from tests.polling import pause

TIMEOUT = timedelta(milliseconds=50)
CALLBACK = Callback(CallbackId("cb_1"), None, is_submitted=True, url="https://ringback.example")


async def test_poll_that_ignores_its_cancellation_is_left_behind() -> None:
    is_over = asyncio.Event()

    async def hang(_: Callback) -> str:
        while not is_over.is_set():
            with suppress(asyncio.CancelledError):
                await pause()
        return "too late"

    found = await poll_async(hang, CALLBACK, within=TIMEOUT)
    is_over.set()

    assert isinstance(found, PollTimeoutError)
    assert to_report(found, str) == (None, "PollTimeoutError")


def test_poll_that_blocks_its_thread_is_left_behind() -> None:
    is_over = Event()

    def block(_: Callback) -> str:
        is_over.wait()
        return "too late"

    found = poll_sync(block, CALLBACK, within=TIMEOUT)
    is_over.set()

    assert isinstance(found, PollTimeoutError)
