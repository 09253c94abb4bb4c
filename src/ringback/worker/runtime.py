"""What a wired worker has at hand while its activities run."""

import asyncio
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from temporalio import activity
from temporalio.exceptions import ApplicationError

from ringback.core.open import Opening
from ringback.core.operate import link_to
from ringback.domain import callback as domain
from ringback.domain.asking import Wish
from ringback.domain.callback import ActivityExecution, Attempts
from ringback.domain.durations import later
from ringback.domain.errors import NotWiredError
from ringback.domain.ids import CallbackId
from ringback.domain.link import ALL_VERBS, Keyring, Verb, link_expires_at
from ringback.domain.vitals import HeartbeatBy
from ringback.worker.callback import Callback
from ringback.worker.options import Options

UNSUPPORTED: Final = "UnsupportedActivity"
"""The failure type of an activity that cannot wait for a callback."""


@dataclass(frozen=True, slots=True)
class WorkerRuntime:
    """Opens callbacks for the activities of one worker.

    Attributes:
        opening: The core's side of it.
        keyring: What signs the links.
        public_url: Where the outside reaches the gateway, without a slash at its end.
        new_callback_id: Makes an id.
        schema_of: Returns the JSON Schema of a result type, if it has one.
        loop: The worker's event loop, for activities that run in threads.
        process_id: The process that runs the loop.
    """

    opening: Opening
    keyring: Keyring
    public_url: str
    new_callback_id: Callable[[], CallbackId]
    schema_of: Callable[[object], str | None]
    loop: asyncio.AbstractEventLoop
    process_id: int = field(default_factory=os.getpid)

    async def open(self, info: activity.Info, options: Options) -> domain.Callback:
        """Return the callback of the activity that `info` describes, committed."""
        return await self.opening.open(self._to_wish(info, options))

    def to_public(self, opened: domain.Callback) -> Callback:
        """Return `opened` as the activity's author meets it."""
        return Callback(
            id=opened.id,
            deadline_at=opened.deadline_at,
            # Who has answered was asked, even if the attempt that asked could not say so.
            is_submitted=opened.submitted_at is not None or opened.accepted is not None,
            _to_url=lambda verbs: self._url(opened, verbs),
        )

    def _url(self, opened: domain.Callback, verbs: frozenset[Verb]) -> str:
        link = link_to(opened, key_id=opened.key_id, verbs=verbs)
        return self.keyring.url(self.public_url, link)

    def _to_wish(self, info: activity.Info, options: Options) -> Wish:
        ref = to_ref(info)
        return Wish(
            id=self.new_callback_id(),
            ref=ref,
            workflow_type=info.workflow_type or "",
            activity_type=info.activity_type,
            task_queue=info.task_queue,
            attempt=info.attempt,
            attempt_started_at=info.started_time,
            task_token=info.task_token,
            timeout_at=_timeout(info),
            verbs=ALL_VERBS,
            key_id=self.keyring.signing,
            link_expires_at=link_expires_at(info.scheduled_time, info.schedule_to_close_timeout),
            answer_within=options.deadline,
            on_deadline=options.default_answer(),
            attempts=Attempts(options.attempts),
            # No workflow, no reset of it: only its own run is ever meant.
            follows_reset=options.follow_reset and not ref.is_standalone,
            result_schema=self.schema_of(options.result_type),
            about=options.about(),
            heartbeat_by=HeartbeatBy(options.heartbeat),
            heartbeat_timeout=info.heartbeat_timeout or None,
            cancel_within=options.cancel_within,
        )


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


def _timeout(info: activity.Info) -> datetime | None:
    ends = []
    if info.schedule_to_close_timeout:
        ends.append(later(info.scheduled_time, info.schedule_to_close_timeout))
    if info.start_to_close_timeout:
        ends.append(later(info.started_time, info.start_to_close_timeout))
    return min(ends, default=None)
