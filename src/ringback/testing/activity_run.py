"""One activity of a test: its attempts, and its end as its workflow sees it."""

import asyncio
import inspect
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from types import TracebackType
from typing import Any, Final, Generic, TypeVar, cast

from temporalio import activity
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.converter import ActivitySerializationContext, DataConverter
from temporalio.exceptions import ActivityError, CancelledError, RetryState, TimeoutType
from temporalio.exceptions import TimeoutError as TemporalTimeoutError
from temporalio.testing import ActivityEnvironment

from ringback.core.services import caught
from ringback.domain.activity_state import Ended
from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import ActivityGoneError
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.temporal.encoding import raw_values, to_exception, to_failure
from ringback.testing.kit_activities import KitActivities
from ringback.testing.senders import PATIENCE
from ringback.worker.activity_function import UNKNOWN, record_function, return_type
from ringback.worker.runtime import WorkerRuntime, runtime_set

R = TypeVar("R")

WORKER: Final = "the worker of the test"
"""The identity of the worker that runs the activities of a test."""


@dataclass(frozen=True, kw_only=True)
class Worker:
    """What runs the attempts of a test."""

    activities: KitActivities
    data_converter: DataConverter
    runtime: WorkerRuntime


@dataclass(kw_only=True, eq=False)
class ActivityRun(Generic[R]):
    """An activity that runs, or has ended.

    Attributes:
        ref: Its execution.
        function: What it runs.
        args: Its arguments.
        info: What `activity.info()` returns, apart from the attempt.
        worker: What runs it.
        attempts: How many attempts were started.
        may_start: Whether the next attempt may start.
    """

    ref: ActivityExecution
    function: Callable[..., Any]
    args: Sequence[Any]
    info: activity.Info
    worker: Worker
    attempts: int = 0
    may_start: bool = True
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _done: asyncio.Event = field(default_factory=asyncio.Event)
    _payloads: Sequence[Payload] = ()
    _failure: Failure | None = None

    @property
    def is_done(self) -> bool:
        """Whether the activity has ended, and its last attempt too."""
        return self._done.is_set()

    async def run(self) -> None:
        """Run attempts until the activity has ended."""
        try:
            await self._attempt()
            while await self._may_go_on():
                self.worker.activities.start(self.ref)
                await self._attempt()
        finally:
            self._done.set()

    def let_start(self) -> None:
        """Let the next attempt start."""
        self.may_start = True
        self.announce()

    def announce(self) -> None:
        """Look again whether the next attempt may start."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def ended(self) -> None:
        """Wait until the activity has ended, and its last attempt too."""
        await self._done.wait()

    async def result(self, *, within: timedelta = PATIENCE) -> R:
        """Wait until the activity has ended, and return its result as its workflow gets it.

        Args:
            within: How long to wait, in real time.

        Raises:
            ActivityError: It failed; the cause says how, as in the workflow.
            AssertionError: It has not ended in time.
        """
        try:
            async with asyncio.timeout(within.total_seconds()):
                await self.ended()
        except TimeoutError:
            msg = (
                f"the activity {self.info.activity_type} still waits after"
                f" {within.total_seconds():g} s: answer its callback, or move the clock by"
                f" `advance`{self.describe_failure(before='; ')}"
            )
            raise AssertionError(msg) from None
        end = self.worker.activities.ended(self.ref)
        assert end is not None, "it has ended"
        return cast("R", await self._to_result(end))

    def describe_failure(self, *, before: str = "") -> str:
        """Return how the last attempt that failed did, after `before`; empty if none failed."""
        if self._failure is None:
            return ""
        kind = self._failure.application_failure_info.type
        said = f"{kind}: {self._failure.message}" if kind else self._failure.message
        return f"{before}an attempt of {self.info.activity_type} failed: {said}"

    async def _may_go_on(self) -> bool:
        """Wait for the next attempt; return whether there is one."""
        activities = self.worker.activities
        while (pending := activities.pending(self.ref)) is not None:
            if self.may_start and not pending.is_started and not pending.paused:
                return True
            await self._changed.wait()
        return False

    async def _attempt(self) -> None:
        self.attempts += 1
        activities = self.worker.activities
        started_at = activities.started_at(self.ref)
        environment = ActivityEnvironment()
        environment.payload_converter = self._converter.payload_converter
        environment.info = replace(
            self.info,
            workflow_run_id=self.ref.run_id,
            attempt=activities.attempt(self.ref),
            task_token=activities.task_token(self.ref),
            current_attempt_scheduled_time=started_at,
            started_time=started_at,
        )
        with runtime_set(self.worker.runtime):
            record_function(self.function)
            try:
                end = await caught(self._call(environment))
            except complete_async_error():
                return
        # It may have ended before, by an early answer: the workflow got that.
        with suppress(ActivityGoneError):
            await self._end_attempt(environment.info.task_token, end)

    async def _call(self, environment: ActivityEnvironment) -> object:
        function = self.function
        called = getattr(function, "__call__", None)  # noqa: B004 - of a callable object
        if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called):
            return await environment.run(function, *self.args)
        return await asyncio.to_thread(environment.run, function, *self.args)

    async def _end_attempt(self, task_token: bytes, end: object) -> None:
        source, outcome = "", cast("Outcome", Completed(None))
        if isinstance(end, CancelledError):
            outcome = Canceled(None)
        elif isinstance(end, Exception):
            self._failure = await to_failure(self._converter, end)
            source, outcome = self._failure.source, _to_failed(self._failure)
        else:
            self._payloads = await self._converter.encode([end])
        self.worker.activities.return_from(task_token, outcome, identity=WORKER, source=source)

    async def _to_result(self, end: Ended) -> object:
        if end.identity == WORKER and end.how == "completed":
            return await self._decode(self._payloads)
        outcome = self.worker.activities.outcomes.get(self.ref)
        match end.how, outcome:
            case "completed", Completed(result):
                return await self._decode(await self._converter.encode(raw_values(result)))
            case "failed", Failed():
                failure = await to_failure(self._converter, to_exception(outcome))
                own = self._failure if end.identity == WORKER else None
                raise self._error(RetryState.NON_RETRYABLE_FAILURE) from (
                    await self._converter.decode_failure(own or failure)
                )
            case "canceled", _:
                raise self._error(RetryState.CANCEL_REQUESTED) from CancelledError()
            case _:
                raise self._error(RetryState.TIMEOUT) from TemporalTimeoutError(
                    end.how, type=TimeoutType.SCHEDULE_TO_CLOSE, last_heartbeat_details=[]
                )

    async def _decode(self, payloads: Sequence[Payload]) -> object:
        hint = return_type(self.function)
        hints = None if hint in (UNKNOWN, object) else [cast("type", hint)]
        values = await self._converter.decode(payloads, hints)
        return values[0] if values else None

    @property
    def _converter(self) -> DataConverter:
        """The data converter, as the worker of this activity uses it."""
        return self.worker.data_converter.with_context(
            ActivitySerializationContext(
                namespace=self.info.namespace,
                activity_id=self.info.activity_id,
                activity_type=self.info.activity_type,
                activity_task_queue=self.info.task_queue,
                workflow_id=self.info.workflow_id,
                workflow_type=self.info.workflow_type,
                is_local=False,
            )
        )

    def _error(self, retry_state: RetryState) -> ActivityError:
        return ActivityError(
            "Activity task failed",
            scheduled_event_id=5,
            started_event_id=6,
            identity=WORKER,
            activity_type=self.info.activity_type,
            activity_id=self.info.activity_id,
            retry_state=retry_state,
        )


class _Noted:
    """Notes the type of what is raised in its block, and lets nothing out."""

    kind: type[BaseException] | None = None

    def __enter__(self) -> None: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        self.kind = kind
        return True


@cache
def complete_async_error() -> type[BaseException]:
    """Return what an activity raises to complete asynchronously; the SDK does not export it."""
    noted = _Noted()
    with noted:
        activity.raise_complete_async()
    assert noted.kind is not None, "it raises"
    return noted.kind


def _to_failed(failure: Failure) -> Failed:
    info = failure.application_failure_info
    return Failed(failure.message, type=info.type or None, non_retryable=info.non_retryable)
