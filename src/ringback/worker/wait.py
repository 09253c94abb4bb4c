"""`wait_for_callback` and `open_callback`: what an activity calls.

Both commit the callback, submit, record the submission and then complete asynchronously. An attempt
that finds all of this done completes asynchronously at once. One that finds the answer ends with
it.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, TypeVar, Unpack

from temporalio import activity
from temporalio.exceptions import ApplicationError

from ringback.worker.activity_function import check_activity
from ringback.worker.attempt import run_in_loop, wait_async, wait_sync
from ringback.worker.callback import Callback
from ringback.worker.options import UNSET, Unset, WaitOptions, to_options
from ringback.worker.polling import PollAsync, PollSync
from ringback.worker.runtime import get_runtime

T = TypeVar("T")


async def wait_for_callback(
    submit: Callable[[Callback], Awaitable[None]],
    result_type: type[T],
    *,
    on_deadline: T | ApplicationError | Unset = UNSET,
    result_schema: Mapping[str, object] | None = None,
    resubmit: bool = False,
    resume: bool = False,
    poll: PollAsync[T] | None = None,
    poll_every: timedelta | None = None,
    **options: Unpack[WaitOptions],
) -> T:
    """Submit a link, and end the activity with the answer, or continue with it.

    Usually this does not return: the attempt completes asynchronously, no worker slot is occupied,
    and the gateway delivers the answer to Temporal. An answer that exists already (an early one, or
    one between two attempts) is returned as `result_type`, or raised.

    With `resume` it always returns or raises the answer, and the function continues behind it: the
    gateway ends the attempt that waits with a retryable failure of type "RingbackResume", and the
    next attempt gets the answer, about a second later. Code before the wait runs again, except
    `submit`; code behind it runs again if its attempt fails, as any activity code may.

    A later attempt finds the same callback and does not submit again once `submit` has returned. If
    `submit` raises, the attempt fails, and the next attempt submits again with the same callback:
    use `callback.id` as an idempotency key.

    Args:
        submit: Sends `url` of the committed callback to the service or person that should answer.
        result_type: What the activity returns. The gateway rejects answers that do not fit it. A
            function annotated with another type is rejected too, except with `resume`.
        on_deadline: The result or failure of the activity if no answer arrives before its deadline
            or shortly before Temporal's timeout of the attempt. Without it, the activity fails at
            its deadline with the non-retryable type "DeadlineExceeded", and Temporal's timeouts
            apply.
        result_schema: The JSON Schema (2020-12) of answers, instead of that of `result_type`.
        resubmit: Whether a later attempt submits again although `submit` has returned before.
        resume: Whether the function continues with the answer. Needs a retry policy that allows
            another attempt, and `attempts="any"`.
        poll: Asks the service whether the answer exists, since webhooks get lost. It runs on a
            worker, in an attempt that the gateway starts for it with a retryable failure of type
            "RingbackPoll": at the deadline, before `on_deadline` is used. It returns the result, or
            `NOT_YET`. A non-retryable `ApplicationError` is the answer too; any other error is
            logged and means not yet. It may take 20 seconds. Needs a retry policy that allows at
            least three attempts, and `deadline` or `poll_every`.
        poll_every: The interval at which `poll` also runs before the deadline.
        **options: See `WaitOptions`.

    Raises:
        ApplicationError: The answer is a failure; or the activity is local, returns another type
            than `result_type`, belongs to an agent framework, or has no attempt left to `resume` or
            to `poll`.
        NotWiredError: The worker has no `RingbackPlugin`.
        ValueError: An option is invalid.
        TypeError: `on_deadline` cannot be encoded as JSON.
        GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
        GatewayRefusedError: The gateway rejected the request; the message says why.

    Example:
        >>> async def submit(callback: Callback) -> None:
        ...     await psp.post("/charges", json={"notify": callback.url})
        >>> return await wait_for_callback(submit, Receipt)
    """
    asked_for = to_options(
        result_type,
        on_deadline,
        resume=resume,
        poll=poll is not None,
        poll_every=poll_every,
        **options,
    )
    schema = result_type if result_schema is None else result_schema
    return await wait_async(
        submit, result_type, asked_for, schema=schema, resubmit=resubmit, poll=poll
    )


def wait_for_callback_sync(
    submit: Callable[[Callback], None],
    result_type: type[T],
    *,
    on_deadline: T | ApplicationError | Unset = UNSET,
    result_schema: Mapping[str, object] | None = None,
    resubmit: bool = False,
    resume: bool = False,
    poll: PollSync[T] | None = None,
    poll_every: timedelta | None = None,
    **options: Unpack[WaitOptions],
) -> T:
    """Do what `wait_for_callback` does, in an activity that runs in a thread.

    `submit` runs in the activity's own thread, and `poll` in another one, so that it may hang. An
    activity in a process pool cannot wait.

    Raises:
        ApplicationError: The answer is a failure; or the activity is local, returns another type
            than `result_type`, belongs to an agent framework, or has no attempt left to `resume` or
            to `poll`.
        NotWiredError: The worker has no `RingbackPlugin`.
        ValueError: An option is invalid.
        TypeError: `on_deadline` cannot be encoded as JSON.
        GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
        GatewayRefusedError: The gateway rejected the request; the message says why.
    """
    asked_for = to_options(
        result_type,
        on_deadline,
        resume=resume,
        poll=poll is not None,
        poll_every=poll_every,
        **options,
    )
    schema = result_type if result_schema is None else result_schema
    return wait_sync(submit, result_type, asked_for, schema=schema, resubmit=resubmit, poll=poll)


@asynccontextmanager
async def open_callback(
    *,
    result_type: object = object,
    on_deadline: object = UNSET,
    **options: Unpack[WaitOptions],
) -> AsyncIterator[Callback]:
    """Open the activity's callback for the block, and complete asynchronously at its end.

    This is the lower level of `wait_for_callback`: the block submits, and checks
    `callback.is_submitted` itself. The gateway delivers an answer that exists already. An error in
    the block fails the attempt; a `return` in the block is discarded. To satisfy the type checker,
    an activity with a return value ends with `activity.raise_complete_async()` after the block,
    which is not reached. `WaitOptions` describes the options.

    Raises:
        NotWiredError: The worker has no `RingbackPlugin`.
        ApplicationError: The activity is local, returns another type than `result_type`, or belongs
            to an agent framework.
        ValueError: An option is invalid.
        TypeError: `on_deadline` cannot be encoded as JSON.
        GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
        GatewayRefusedError: The gateway rejected the request; the message says why.

    Example:
        >>> async with open_callback() as callback:
        ...     if not callback.is_submitted:
        ...         await ask(callback.url)
        >>> activity.raise_complete_async()
    """
    runtime, info = get_runtime(), activity.info()
    check_activity(Any if result_type is object else result_type)
    asked_for = to_options(result_type, on_deadline, **options)
    opened = await runtime.open(info, asked_for, schema=result_type, is_inline=False)
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
        ValueError: An option is invalid.
        TypeError: `on_deadline` cannot be encoded as JSON.
        GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
        GatewayRefusedError: The gateway rejected the request; the message says why.
    """
    runtime, info = get_runtime(), activity.info()
    check_activity(Any if result_type is object else result_type)
    asked_for = to_options(result_type, on_deadline, **options)
    opened = run_in_loop(
        runtime, runtime.open(info, asked_for, schema=result_type, is_inline=False)
    )
    yield opened.callback
    if not opened.callback.is_submitted:
        run_in_loop(runtime, runtime.mark_submitted(opened.callback))
    activity.raise_complete_async()
