"""`wait_for_callback` and `open_callback`: what an activity calls.

Inside both, the order is: commit the callback, submit, commit that it was submitted, go
asynchronous. An attempt that finds all of this done before goes asynchronous at once; one that
finds the answer ends with it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any, TypeVar, Unpack

from temporalio import activity
from temporalio.exceptions import ApplicationError

from ringback.worker.activity_function import check_activity
from ringback.worker.answer import return_or_raise
from ringback.worker.callback import Callback
from ringback.worker.options import UNSET, Unset, WaitOptions, to_options
from ringback.worker.runtime import WorkerRuntime, get_runtime

T = TypeVar("T")


async def wait_for_callback(
    submit: Callable[[Callback], Awaitable[None]],
    result_type: type[T],
    *,
    on_deadline: T | ApplicationError | Unset = UNSET,
    resubmit: bool = False,
    **options: Unpack[WaitOptions],
) -> T:
    """Ask the outside party with `submit`, and end the activity with its answer.

    In most runs it does not return: the attempt ends as completing asynchronously, no worker is
    kept busy, and the answer goes from the gateway to the workflow. When the answer is already
    there (it came early, or between two attempts) it is returned as `result_type`, or raised. A
    later attempt finds the same callback, and does not submit again once `submit` has returned. A
    `submit` that raises fails the attempt, as any activity code does; the next attempt submits
    again, with the same callback, so pass `callback.id` on as an idempotency key.

    Args:
        submit: Gets the callback, committed, and hands its `url` to the outside party.
        result_type: What the activity returns: the answer's JSON is read as this type, and what
            cannot be is refused at the gateway. A function annotated with another type is refused.
        on_deadline: The result, or the failure, that the activity ends with when nobody has
            answered by its deadline or, in time, by Temporal's timeout of the attempt. Without it
            the activity fails at its deadline, with a failure of type "DeadlineExceeded" that is
            not retried, and Temporal's timeouts are left to Temporal.
        resubmit: Whether a later attempt submits again though `submit` had returned before.
        **options: See `WaitOptions`.

    Raises:
        ApplicationError: The answer that is already there is a failure; or the activity is local,
            returns another type than `result_type`, or belongs to an agent framework.
        NotWiredError: The worker has no `RingbackPlugin`.
        ValueError: An option is wrong.
        TypeError: `on_deadline` cannot be written as JSON.
        GatewayUnavailableError: The gateway does not answer now; Temporal retries the attempt.
        GatewayRefusedError: The gateway refused the request; the message says why.

    Example:
        >>> async def submit(callback: Callback) -> None:
        ...     await psp.post("/charges", json={"notify": callback.url})
        >>> return await wait_for_callback(submit, Receipt)
    """
    runtime, info = get_runtime(), activity.info()
    check_activity(result_type)
    asked_for = to_options(result_type, on_deadline, **options)
    opened = await runtime.open(info, asked_for, result_type=result_type, is_inline=True)
    if opened.answer is not None:
        return return_or_raise(opened.answer, result_type)
    if resubmit or not opened.callback.is_submitted:
        await submit(opened.callback)
        await runtime.mark_submitted(opened.callback)
    activity.raise_complete_async()


def wait_for_callback_sync(
    submit: Callable[[Callback], None],
    result_type: type[T],
    *,
    on_deadline: T | ApplicationError | Unset = UNSET,
    resubmit: bool = False,
    **options: Unpack[WaitOptions],
) -> T:
    """Do what `wait_for_callback` does, in an activity that runs in a thread.

    `submit` runs in the activity's own thread. A process pool cannot wait, whether it forks or
    spawns. See `wait_for_callback` for all else.

    Raises:
        ApplicationError: The answer that is already there is a failure; or the activity is local,
            returns another type than `result_type`, or belongs to an agent framework.
        NotWiredError: The worker has no `RingbackPlugin`.
        ValueError: An option is wrong.
        TypeError: `on_deadline` cannot be written as JSON.
        GatewayUnavailableError: The gateway does not answer now; Temporal retries the attempt.
        GatewayRefusedError: The gateway refused the request; the message says why.
    """
    runtime, info = get_runtime(), activity.info()
    check_activity(result_type)
    asked_for = to_options(result_type, on_deadline, **options)
    opened = _in_loop(
        runtime, runtime.open(info, asked_for, result_type=result_type, is_inline=True)
    )
    if opened.answer is not None:
        return return_or_raise(opened.answer, result_type)
    if resubmit or not opened.callback.is_submitted:
        submit(opened.callback)
        _in_loop(runtime, runtime.mark_submitted(opened.callback))
    activity.raise_complete_async()


@asynccontextmanager
async def open_callback(
    *,
    result_type: object = object,
    on_deadline: object = UNSET,
    **options: Unpack[WaitOptions],
) -> AsyncIterator[Callback]:
    """Open the activity's callback for the block, and go asynchronous at its end.

    The lower form of `wait_for_callback`: the block is the submit, and asks
    `callback.is_submitted` itself. An answer that is already there is delivered for it. An error
    raised in the block fails the attempt; a `return` in the block is discarded. An activity that
    returns something ends with `activity.raise_complete_async()` after the block, for the type
    checker; it is not reached. See `WaitOptions` for the others.

    Raises:
        NotWiredError: The worker has no `RingbackPlugin`.
        ApplicationError: The activity is local, returns another type than `result_type`, or belongs
            to an agent framework.
        ValueError: An option is wrong.
        TypeError: `on_deadline` cannot be written as JSON.
        GatewayUnavailableError: The gateway does not answer now; Temporal retries the attempt.
        GatewayRefusedError: The gateway refused the request; the message says why.

    Example:
        >>> async with open_callback() as callback:
        ...     if not callback.is_submitted:
        ...         await ask(callback.url)
        >>> activity.raise_complete_async()
    """
    runtime, info = get_runtime(), activity.info()
    check_activity(Any if result_type is object else result_type)
    asked_for = to_options(result_type, on_deadline, **options)
    opened = await runtime.open(info, asked_for, result_type=result_type, is_inline=False)
    yield opened.callback
    if not opened.callback.is_submitted:
        await runtime.mark_submitted(opened.callback)
    activity.raise_complete_async()


@contextmanager
def open_callback_sync(
    *,
    result_type: object = object,
    on_deadline: object = UNSET,
    **options: Unpack[WaitOptions],
) -> Iterator[Callback]:
    """Do what `open_callback` does, in an activity that runs in a thread.

    Raises:
        NotWiredError: The worker has no `RingbackPlugin`.
        ApplicationError: The activity is local, returns another type than `result_type`, or belongs
            to an agent framework.
        ValueError: An option is wrong.
        TypeError: `on_deadline` cannot be written as JSON.
        GatewayUnavailableError: The gateway does not answer now; Temporal retries the attempt.
        GatewayRefusedError: The gateway refused the request; the message says why.
    """
    runtime, info = get_runtime(), activity.info()
    check_activity(Any if result_type is object else result_type)
    asked_for = to_options(result_type, on_deadline, **options)
    opened = _in_loop(
        runtime, runtime.open(info, asked_for, result_type=result_type, is_inline=False)
    )
    yield opened.callback
    if not opened.callback.is_submitted:
        _in_loop(runtime, runtime.mark_submitted(opened.callback))
    activity.raise_complete_async()


def _in_loop(runtime: WorkerRuntime, work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run_coroutine_threadsafe(work, runtime.loop).result()
