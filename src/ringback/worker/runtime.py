"""What a wired worker has at hand while its activities run."""

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
from ringback.worker.answer import InlineAnswer
from ringback.worker.callback import Callback

UNSUPPORTED: Final = "UnsupportedActivity"
"""The failure type of an activity that cannot wait for a callback."""


@dataclass(frozen=True, slots=True)
class Opened:
    """What an attempt that asked got.

    Attributes:
        callback: The callback, committed.
        answer: What the attempt must end with now; `None` to complete asynchronously.
    """

    callback: Callback
    answer: InlineAnswer | None


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
        result_type: object,
        is_inline: bool,
    ) -> Opened:
        """Return the callback of the activity that `info` describes, committed.

        With `is_inline`, an answer that waits is for this attempt to end with.

        Raises:
            GatewayUnavailableError: The gateway does not answer; Temporal retries the attempt.
            GatewayRefusedError: The gateway refuses the request; the message says why.
            ApplicationError: The activity is local, or has no run.
        """
        ...

    async def mark_submitted(self, callback: Callback) -> None:
        """Commit that the request was submitted: no later attempt submits again.

        Raises:
            GatewayUnavailableError: The gateway does not answer; Temporal retries the attempt.
        """
        ...


_current: ContextVar[WorkerRuntime] = ContextVar("ringback_worker_runtime")


@contextmanager
def runtime_set(runtime: WorkerRuntime) -> Iterator[None]:
    """Let the activities of a worker that runs in the block find `runtime`.

    They run in tasks that descend from the worker's own, and so inherit its context; the SDK
    passes it on to threads.
    """
    token = _current.set(runtime)
    try:
        yield
    finally:
        _current.reset(token)


def get_runtime() -> WorkerRuntime:
    """Return the runtime of the worker that runs this activity.

    Raises:
        NotWiredError: No activity runs here, or its worker has no `RingbackPlugin`, or it runs in
            another process than its worker.
    """
    runtime = _current.get(None)
    # A forked process inherits the runtime, but no loop runs in it that could serve the runtime.
    is_here = runtime is not None and runtime.process_id == os.getpid()
    if runtime is None or not is_here or not activity.in_activity():
        msg = (
            "no Ringback here: call this in an activity (async def, or in a thread, but not in a "
            "process pool) of a worker whose client was connected with plugins=[RingbackPlugin()]"
        )
        raise NotWiredError(msg)
    return runtime


def to_ref(info: activity.Info) -> ActivityExecution:
    """Return which activity `info` describes.

    Raises:
        ApplicationError: It is a local activity, or one without a run; no retry would change that.
    """
    if info.is_local:
        msg = (
            "a local activity cannot wait for a callback: Temporal never ends it and its workflow "
            "hangs; run it with workflow.execute_activity"
        )
        raise ApplicationError(msg, type=UNSUPPORTED, non_retryable=True)
    run_id = info.workflow_run_id or info.activity_run_id
    if not run_id:
        msg = (
            "this activity has no run id, so an answer to it could reach a later one with its id; "
            "run it in a workflow"
        )
        raise ApplicationError(msg, type=UNSUPPORTED, non_retryable=True)
    return ActivityExecution(
        namespace=info.namespace,
        workflow_id=info.workflow_id or "",
        run_id=run_id,
        activity_id=info.activity_id,
        scheduled_at=info.scheduled_time,
    )
