"""What one attempt does that waits: open the callback, submit, and complete asynchronously."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from temporalio import activity

from ringback.domain.options import CallbackOptions
from ringback.worker.activity_function import check_activity, check_next_attempt, check_polls
from ringback.worker.answer import return_or_raise
from ringback.worker.callback import Callback
from ringback.worker.polling import PollAsync, PollSync, poll_async, poll_sync, report, to_report
from ringback.worker.runtime import WorkerRuntime, get_runtime

T = TypeVar("T")


async def wait_async(
    submit: Callable[[Callback], Awaitable[None]],
    result_type: type[T],
    asked_for: CallbackOptions,
    *,
    schema: object,
    resubmit: bool,
    poll: PollAsync[T] | None = None,
) -> T:
    """Open the callback, submit, and complete asynchronously; or end with the answer.

    Args:
        submit: Sends the link; skipped if an earlier attempt has submitted, unless `resubmit`.
        result_type: What the activity returns.
        asked_for: The callback's options.
        schema: The type of what senders send, or its JSON Schema.
        resubmit: Whether to submit again.
        poll: Polls the sender, in an attempt that was started for it.

    Raises:
        ApplicationError: The answer is a failure, or the activity cannot wait.
    """
    runtime, info = get_runtime(), activity.info()
    check_activity(result_type, resumes=asked_for.resume)
    if asked_for.poll:
        check_polls()
    opened = await runtime.open(info, asked_for, schema=schema, is_inline=True)
    if opened.answer is not None:
        return return_or_raise(opened.answer, result_type)
    if asked_for.resume:
        check_next_attempt()
    if opened.is_poll and poll is not None:
        answer, error = to_report(await poll_async(poll, opened.callback), result_type)
        await report(runtime, opened.callback, info, answer=answer, error=error)
    elif resubmit or not opened.callback.is_submitted:
        await finish_submit(submit(opened.callback))
        await runtime.mark_submitted(opened.callback)
    activity.raise_complete_async()


def wait_sync(
    submit: Callable[[Callback], object],
    result_type: type[T],
    asked_for: CallbackOptions,
    *,
    schema: object,
    resubmit: bool,
    poll: PollSync[T] | None = None,
) -> T:
    """Do what `wait_async` does, in an activity that runs in a thread.

    Raises:
        ApplicationError: The answer is a failure, or the activity cannot wait.
    """
    runtime, info = get_runtime(), activity.info()
    check_activity(result_type, resumes=asked_for.resume)
    if asked_for.poll:
        check_polls()
    opened = run_in_loop(runtime, runtime.open(info, asked_for, schema=schema, is_inline=True))
    if opened.answer is not None:
        return return_or_raise(opened.answer, result_type)
    if asked_for.resume:
        check_next_attempt()
    if opened.is_poll and poll is not None:
        answer, error = to_report(poll_sync(poll, opened.callback), result_type)
        run_in_loop(runtime, report(runtime, opened.callback, info, answer=answer, error=error))
    elif resubmit or not opened.callback.is_submitted:
        _check_plain(submit(opened.callback))
        run_in_loop(runtime, runtime.mark_submitted(opened.callback))
    activity.raise_complete_async()


async def finish_submit(sent: object) -> None:
    """Wait for what a `submit` function returned.

    Raises:
        TypeError: The function is not async.
    """
    if not inspect.isawaitable(sent):
        msg = (
            "submit must be async: write `async def submit`, or wait by wait_for_callback_sync in"
            " an activity that runs in a thread"
        )
        raise TypeError(msg)
    await sent


def _check_plain(sent: object) -> None:
    """Check that a `submit` function has run: calling an async one sends nothing.

    Raises:
        TypeError: The function is async.
    """
    if inspect.iscoroutine(sent):
        sent.close()
        msg = "submit must be a plain function here; wait by wait_for_callback if it is async"
        raise TypeError(msg)


def run_in_loop(runtime: WorkerRuntime, work: Coroutine[Any, Any, T]) -> T:
    """Run `work` in the worker's event loop, from the thread of an activity."""
    return asyncio.run_coroutine_threadsafe(work, runtime.loop).result()
