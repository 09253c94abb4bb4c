"""What the activities of a worker with `RingbackPlugin` use to reach the gateway."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from temporalio import activity
from temporalio.exceptions import ApplicationError

from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import NotWiredError
from ringback.domain.options import CallbackOptions
from ringback.domain.outcome import Completed, Failed
from ringback.worker.answer import InlineAnswer
from ringback.worker.callback import Callback

UNSUPPORTED: Final = "UnsupportedActivity"
"""Failure type of an activity that cannot wait for a callback."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What an attempt gets when it opens its callback.

    Attributes:
        callback: The committed callback.
        answer: What the attempt must end with now; `None` to complete asynchronously.
        is_poll: Whether the attempt was started to poll the sender.
    """

    callback: Callback
    answer: InlineAnswer | None
    is_poll: bool = False


class WorkerRuntime(Protocol):
    """Opens callbacks for the activities of one worker."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The worker's event loop, for activities that run in threads."""
        ...

    @property
    def process_id(self) -> int:
        """The process that runs the loop."""
        ...

    async def open(
        self,
        info: activity.Info,
        options: CallbackOptions,
        *,
        schema: object,
        is_inline: bool,
    ) -> Opened:
        """Return the committed callback of the activity that `info` describes.

        `schema` is the type of what senders send, or its JSON Schema as a dict; `None` and `object`
        accept any JSON. With `is_inline`, this attempt must end with an answer that exists already.

        Raises:
            GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
            GatewayRefusedError: The gateway rejected the request; the message says why.
            ApplicationError: The activity is local, or has no run.
        """
        ...

    async def mark_submitted(self, callback: Callback) -> None:
        """Record that the request was submitted: no later attempt submits again.

        Raises:
            GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
        """
        ...

    async def report_poll(
        self,
        callback: Callback,
        info: activity.Info,
        *,
        answer: Completed | Failed | None = None,
        error: str | None = None,
    ) -> None:
        """Report what a poll of the sender found: an answer, an error, or neither.

        Raises:
            GatewayUnavailableError: The gateway does not reply; Temporal retries the attempt.
            GatewayRefusedError: The gateway rejected the answer; the message says why.
        """
        ...


_current: ContextVar[WorkerRuntime] = ContextVar("ringback_worker_runtime")


@contextmanager
def runtime_set(runtime: WorkerRuntime) -> Iterator[None]:
    """Make `runtime` available to the activities of a worker that runs in the block.

    Their tasks descend from the worker's task and so inherit its context; the SDK copies it to
    threads.
    """
    token = _current.set(runtime)
    try:
        yield
    finally:
        _current.reset(token)


def get_runtime() -> WorkerRuntime:
    """Return the runtime of the current activity's worker.

    Raises:
        NotWiredError: The caller is not an activity, its worker has no `RingbackPlugin`, or it
            runs in another process than its worker.
    """
    runtime = _current.get(None)
    # A forked process inherits the runtime, but not a running loop to serve it.
    is_here = runtime is not None and runtime.process_id == os.getpid()
    if runtime is None or not is_here or not activity.in_activity():
        msg = (
            "no RingbackPlugin here: call this in an activity (async def, or in a thread, not in a "
            "process pool) of a worker whose client was connected with plugins=[RingbackPlugin()]; "
            "in a test, run it with ringback.testing"
        )
        raise NotWiredError(msg)
    return runtime


def to_ref(info: activity.Info) -> ActivityExecution:
    """Return the activity that `info` describes.

    Raises:
        ApplicationError: It is a local activity, or has no run; not retryable.
    """
    if info.is_local:
        msg = (
            "a local activity cannot wait for a callback: Temporal cannot complete it from outside "
            "and its workflow would hang; run it with workflow.execute_activity"
        )
        raise ApplicationError(msg, type=UNSUPPORTED, non_retryable=True)
    run_id = info.workflow_run_id or info.activity_run_id
    if not run_id:
        msg = (
            "this activity has no run id, so an answer could reach a later activity with the same "
            "id; run it in a workflow"
        )
        raise ApplicationError(msg, type=UNSUPPORTED, non_retryable=True)
    return ActivityExecution(
        namespace=info.namespace,
        workflow_id=info.workflow_id or "",
        run_id=run_id,
        activity_id=info.activity_id,
        scheduled_at=info.scheduled_time,
    )
