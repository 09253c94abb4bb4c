"""Run the user's data converter and codec under a time limit, on an event loop of their own.

User code may never return, or block its thread. On the gateway's event loop it would stop
everything; in the default executor it would use up threads that others need.
"""

import asyncio
import logging
import threading
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine
from datetime import timedelta
from enum import Enum
from functools import partial
from typing import Any, Final, TypeVar

from temporalio.converter import DataConverter

from ringback.domain.errors import EncodingError
from ringback.domain.ids import CallbackId

logger = logging.getLogger(__name__)

TIMEOUT: Final = timedelta(seconds=5)
"""How long one encoding may take: less than a sender waits for its reply."""

MOST_AT_ONCE: Final = 256
"""Maximum encodings of each use that run at a time, those that hang included."""

MOST_THREADS: Final = 8
"""Maximum threads. Another one is started only while all before it are blocked."""

_MARGIN: Final = timedelta(milliseconds=250)
"""The grace period after the timeout in which an unblocked event loop replies."""

T = TypeVar("T")


class Use(Enum):
    """The purpose of an encoding. Each has slots of its own."""

    CHECK = "check"
    """To check whether Temporal would accept a sender's answer or details."""

    DELIVERY = "delivery"
    """To send it to Temporal."""


class Encoder:
    """Runs encodings concurrently on one event loop, in a thread of its own.

    An encoding that exceeds the timeout is canceled. One that blocks its thread cannot be canceled:
    all others move to another thread, and those that were running with it are retried one by one.
    An encoding that blocks a thread alone is rejected until it returns.

    Attributes:
        converter: The data converter.
        timeout: The time limit of each encoding that begins from now on.
    """

    def __init__(self, converter: DataConverter, *, timeout: timedelta = TIMEOUT) -> None:
        """Run encodings of `converter`, each for up to `timeout`."""
        self.converter = converter
        self.timeout = timeout
        self._name = _name_of(converter)
        self._threads: list[_Thread] = []
        self._running: Counter[Use] = Counter()
        self._suspects: set[CallbackId] = set()
        self._blocking: set[CallbackId] = set()
        weakref.finalize(self, _stop, self._threads)

    async def run(
        self, encode: Callable[[], Coroutine[Any, Any, T]], callback_id: CallbackId, use: Use
    ) -> T:
        """Return the result of the coroutine that `encode` creates.

        Raises:
            EncodingError: It failed or took too long, or earlier ones hang. Retry later.
        """
        if not self._name:
            # No user code is involved.
            return await encode()
        if callback_id in self._blocking:
            msg = "the data converter has not returned from an earlier try, and blocks its thread"
            raise EncodingError(msg)
        if self._running[use] >= MOST_AT_ONCE:
            msg = f"the data converter has not returned from {MOST_AT_ONCE} encodings"
            raise EncodingError(msg)
        thread = self._free_thread(is_alone=callback_id in self._suspects)
        self._running[use] += 1
        thread.running += 1
        try:
            return await self._run_on(thread, encode, callback_id)
        finally:
            self._running[use] -= 1
            thread.running -= 1

    def _free_thread(self, *, is_alone: bool) -> "_Thread":
        """Return the first suitable thread: a codec may hold objects bound to an event loop.

        Raises:
            EncodingError: All are blocked.
        """
        for thread in self._threads:
            has_room = not is_alone or thread.running == 0
            if thread.is_for_one is is_alone and has_room and not thread.is_blocked:
                return thread
        if len(self._threads) >= MOST_THREADS:
            msg = f"the data converter blocks its threads, {MOST_THREADS} of them"
            raise EncodingError(msg)
        name = f"ringback-encoder-{len(self._threads) + 1}"
        self._threads.append(_Thread(name, is_for_one=is_alone))
        return self._threads[-1]

    async def _run_on(
        self, thread: "_Thread", encode: Callable[[], Coroutine[Any, Any, T]], id_: CallbackId
    ) -> T:
        has_begun, within = threading.Event(), self.timeout
        work = thread.start(_in_time(encode, within, has_begun))
        await asyncio.wait([work], timeout=(within + _MARGIN).total_seconds())
        if not work.done():
            thread.ping()
            if not has_begun.is_set():
                work.cancel()
                raise self._overrun(id_, within, "blocks the thread that this one waited for")
            self._suspect(thread, work, id_)
            raise self._overrun(id_, within, "does not return")
        self._suspects.discard(id_)
        error = work.exception()
        if error is None:
            return work.result()
        if isinstance(error, _OverrunError):
            raise self._overrun(id_, within, "does not return") from error
        # The error's text is user code's and may contain the answer.
        msg = f"the data converter failed: {type(error).__name__}"
        raise EncodingError(msg) from error

    def _suspect(self, thread: "_Thread", work: asyncio.Future[Any], id_: CallbackId) -> None:
        """Run a callback alone next time; if it was alone, reject it until it returns."""
        (self._blocking if thread.is_for_one else self._suspects).add(id_)
        work.add_done_callback(partial(self._note_return, id_))

    def _note_return(self, id_: CallbackId, work: asyncio.Future[Any]) -> None:
        self._suspects.discard(id_)
        self._blocking.discard(id_)
        if not work.cancelled():
            # The caller has given up.
            work.exception()
        facts = {"callback_id": id_, "converter": self._name}
        logger.warning("data converter returned after all", extra=facts)

    def _overrun(self, id_: CallbackId, within: timedelta, how: str) -> EncodingError:
        seconds = within.total_seconds()
        facts = {"callback_id": id_, "converter": self._name, "seconds": seconds}
        logger.error("data converter hangs: it %s", how, extra=facts)
        return EncodingError(f"the data converter did not return within {seconds:g} s")


class _OverrunError(Exception):
    """An encoding exceeded the timeout, and was canceled."""


class _Thread:
    """An event loop in a daemon thread, which does not keep the program alive.

    Attributes:
        is_for_one: Whether it runs one encoding at a time.
        is_blocked: Whether its event loop has not replied to the latest ping.
        running: The number of encodings with a waiting caller.
        loop: The event loop.
    """

    def __init__(self, name: str, *, is_for_one: bool) -> None:
        self.is_for_one = is_for_one
        self.is_blocked = False
        self.running = 0
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=_run, args=(self.loop,), name=name, daemon=True).start()

    def start(self, work: Coroutine[Any, Any, T]) -> asyncio.Future[T]:
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self.loop))

    def ping(self) -> None:
        """Mark as blocked until the event loop replies."""
        if not self.is_blocked:
            self.is_blocked = True
            self.start(asyncio.sleep(0)).add_done_callback(self._note_reply)

    def _note_reply(self, _: asyncio.Future[None]) -> None:
        self.is_blocked = False


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
    finally:
        loop.close()


def _stop(threads: list[_Thread]) -> None:
    for thread in threads:
        thread.loop.call_soon_threadsafe(thread.loop.stop)


async def _in_time(
    encode: Callable[[], Coroutine[Any, Any, T]], within: timedelta, has_begun: threading.Event
) -> T:
    has_begun.set()
    limit = asyncio.timeout(within.total_seconds())
    try:
        async with limit:
            return await encode()
    except TimeoutError as exc:
        if limit.expired():
            raise _OverrunError from exc
        raise


def _name_of(converter: DataConverter) -> str:
    """Return the names of the classes that are user code."""
    parts = [
        converter.payload_converter_class,
        converter.failure_converter_class,
        type(converter.payload_codec),
        type(converter.external_storage),
    ]
    foreign = [part for part in parts if is_foreign(part)]
    return ", ".join(f"{part.__module__}.{part.__qualname__}" for part in foreign)


def is_foreign(part: type) -> bool:
    """Return whether a class is user code, not the SDK's or Python's."""
    return part.__module__.split(".")[0] not in {"temporalio", "builtins"}
