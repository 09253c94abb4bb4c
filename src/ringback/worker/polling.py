"""Poll the sender on the worker, and report what it said. Workflow files import this module."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextvars import copy_context
from datetime import timedelta
from enum import Enum
from functools import partial
from threading import Thread
from typing import Final, TypeAlias, TypeVar

from temporalio import activity
from temporalio.exceptions import ApplicationError

from ringback.core.services import call_caught
from ringback.domain.deadlines import POLL_TIMEOUT
from ringback.domain.errors import GatewayRefusedError
from ringback.domain.outcome import Completed, Failed
from ringback.worker.callback import Callback
from ringback.worker.options import to_answer
from ringback.worker.runtime import WorkerRuntime

logger = logging.getLogger(__name__)

T = TypeVar("T")


class NotYet(Enum):
    """The type of `NOT_YET`, for annotations."""

    NOT_YET = "not yet"


NOT_YET: Final = NotYet.NOT_YET
"""What a `poll` function returns while there is no answer."""

PollAsync: TypeAlias = Callable[[Callback], Awaitable[T | NotYet]]
PollSync: TypeAlias = Callable[[Callback], T | NotYet]


class PollTimeoutError(Exception):
    """A poll took longer than it may."""


async def poll_async(
    poll: PollAsync[T], callback: Callback, *, within: timedelta = POLL_TIMEOUT
) -> object:
    """Return what `poll` returned or raised, or a `PollTimeoutError`.

    A poll that does not end `within` this time is canceled and left behind.
    """

    async def call() -> object:
        return await poll(callback)

    task = asyncio.ensure_future(call())
    try:
        await asyncio.wait({task}, timeout=within.total_seconds())
    finally:
        task.cancel()
    if not task.done():
        return PollTimeoutError()
    if task.cancelled():
        return asyncio.CancelledError()
    return task.exception() or task.result()


def poll_sync(poll: PollSync[T], callback: Callback, *, within: timedelta = POLL_TIMEOUT) -> object:
    """Do the same for a function that blocks; it runs in a thread of its own.

    A thread that does not end is left behind.
    """
    future: Future[object] = Future()
    context = copy_context()

    def call() -> None:
        future.set_result(call_caught(poll, callback))

    Thread(target=partial(context.run, call), name="ringback poll", daemon=True).start()
    try:
        return future.result(within.total_seconds())
    except TimeoutError:
        return PollTimeoutError()


def to_report(found: object, result_type: object) -> tuple[Completed | Failed | None, str | None]:
    """Return the answer that a poll found, and the type of its error; neither for `NOT_YET`.

    A non-retryable `ApplicationError` is an answer: the sender says that there will be no result.
    Any other error, or a value of a wrong type, is logged, and the activity waits on.
    """
    if found is NOT_YET:
        return None, None
    is_answer = not isinstance(found, BaseException) or (
        isinstance(found, ApplicationError) and found.non_retryable
    )
    if is_answer:
        found = call_caught(partial(to_answer, result_type=result_type), found)
        if isinstance(found, Completed | Failed):
            return found, None
    assert isinstance(found, BaseException), "it was raised"
    logger.warning("poll of the sender failed", exc_info=found)
    return None, type(found).__name__


async def report(
    runtime: WorkerRuntime,
    callback: Callback,
    info: activity.Info,
    *,
    answer: Completed | Failed | None,
    error: str | None,
) -> None:
    """Report what a poll found; an answer that the gateway rejects counts as an error.

    Raises:
        GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
        GatewayRefusedError: The gateway rejects the worker.
    """
    try:
        await runtime.report_poll(callback, info, answer=answer, error=error)
    except GatewayRefusedError as exc:
        if answer is None:
            raise
        logger.error("answer of a poll refused: %s", exc)  # noqa: TRY400 - the message says all
        await runtime.report_poll(callback, info, error=type(exc).__name__)
