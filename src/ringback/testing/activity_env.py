"""Activities that wait for callbacks, run without any server."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, TypeVar, TypeVarTuple, Unpack, cast, get_args, overload

from temporalio.converter import DataConverter

from ringback.result_schema.generate import generate_schema
from ringback.testing.activity_options import ActivityOptions, to_info
from ringback.testing.activity_run import WORKER, ActivityRun, Worker
from ringback.testing.any_attempt import AnyAttempt
from ringback.testing.kit_activities import KitActivities
from ringback.testing.kit_gateway import KitGateway
from ringback.testing.manual_clock import ManualClock, settled
from ringback.testing.open_callback import Moment, OpenCallback
from ringback.testing.operators import FakeOperator
from ringback.testing.senders import Early, Senders
from ringback.testing.which import check_moment
from ringback.worker.gateway_runtime import GatewayRuntime
from ringback.worker.runtime import runtime_set, to_ref

R = TypeVar("R")
Args = TypeVarTuple("Args")

_NO_ANSWER: Final = object()


class ActivityTestEnvironment(Senders):
    """Runs activities that wait for callbacks, without any server; see `activity_environment`.

    The gateway, its store and its links are the real ones. Temporal is a fake that passes the
    tests which the real server passes. Time stands still until `advance`.

    Attributes:
        clock: The clock of gateway and Temporal.
        activities: Temporal.
    """

    def __init__(
        self,
        gateway: KitGateway,
        group: asyncio.TaskGroup,
        *,
        clock: ManualClock,
        activities: KitActivities,
        data_converter: DataConverter,
    ) -> None:
        """Run activities in `group`; `activity_environment` creates one."""
        self.gateway = gateway
        self.data_converter = data_converter
        self.clock = clock
        self.activities = activities
        self._group = group
        self._runs: dict[tuple[str, str], ActivityRun[Any]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        runtime = GatewayRuntime(
            gateway.worker,
            WORKER,
            partial(generate_schema, converter=data_converter),
            asyncio.get_running_loop(),
        )
        self._worker = Worker(activities=activities, data_converter=data_converter, runtime=runtime)
        self._any_attempt = AnyAttempt(runtime, activities, clock.now())
        self._operator = FakeOperator(activities, self._find_run, self.advance)
        activities.on_change = self._announce

    @property
    def operator(self) -> FakeOperator:
        """What happens in Temporal to the activities."""
        return self._operator

    @overload
    async def run(
        self,
        function: Callable[[Unpack[Args]], Awaitable[R]],
        *args: *Args,
        answer: object = ...,
        when: Moment | Early = ...,
        **options: Unpack[ActivityOptions],
    ) -> R: ...

    @overload
    async def run(
        self,
        function: Callable[[Unpack[Args]], R],
        *args: *Args,
        answer: object = ...,
        when: Moment | Early = ...,
        **options: Unpack[ActivityOptions],
    ) -> R: ...

    async def run(  # type: ignore[misc]  # - mypy does not see that Any holds a TypeVarTuple
        self,
        function: Callable[..., Any],
        *args: Any,
        answer: object = _NO_ANSWER,
        when: Moment | Early = "now",
        **options: Unpack[ActivityOptions],
    ) -> Any:
        """Run an activity, answer its callback, and return its result as its workflow gets it.

        The answer passes all checks of the gateway, and the data converter.

        Args:
            function: The activity: `async def`, or one that runs in a thread.
            *args: Its arguments.
            answer: The result. An `ApplicationError` fails the activity, and a `Decision` decides.
                Without it, something else must answer, such as a service that `submit` calls.
            when: When the answer arrives; `now` is as soon as `submit` has returned.
            **options: How the workflow would call the activity; see `ActivityOptions`.

        Raises:
            ActivityError: The activity failed; the cause says how, as in the workflow.
            GatewayRefusedError: The gateway rejected the answer; the message says why.
            AssertionError: The activity still waits.
            ValueError: `when` is unknown, or an answer is missing.
            TypeError: `function` cannot be called, or an option is unknown.
        """
        has_answer = answer is not _NO_ANSWER
        check_moment(when, (*get_args(Moment), *get_args(Early)) if has_answer else ["now"])
        is_early = when in get_args(Early)
        early = self.answer_next(answer, when=cast("Early", when)) if is_early else None
        run = self.start(function, *args, **options)
        if early is not None:
            await _first(early, run.ended())
            if early.done():
                early.result()
            early.cancel()
        elif has_answer:
            callback = await self._callback_of(run)
            if callback is not None:
                await callback.answer(answer, when=cast("Moment", when))
        return await run.result()

    @overload
    def start(
        self,
        function: Callable[[Unpack[Args]], Awaitable[R]],
        *args: *Args,
        **options: Unpack[ActivityOptions],
    ) -> ActivityRun[R]: ...

    @overload
    def start(
        self,
        function: Callable[[Unpack[Args]], R],
        *args: *Args,
        **options: Unpack[ActivityOptions],
    ) -> ActivityRun[R]: ...

    def start(  # type: ignore[misc]  # - see above
        self, function: Callable[..., Any], *args: Any, **options: Unpack[ActivityOptions]
    ) -> ActivityRun[Any]:
        """Start an activity, and return it without waiting.

        Args:
            function: The activity: `async def`, or one that runs in a thread.
            *args: Its arguments.
            **options: How the workflow would call the activity; see `ActivityOptions`.

        Raises:
            TypeError: `function` cannot be called, or an option is unknown.
        """
        info = to_info(function, options, number=len(self._runs) + 1, now=self.clock.now())
        ref = to_ref(info)
        self.activities.policies[ref] = info.retry_policy
        self.activities.schedule(
            ref,
            start_to_close=info.start_to_close_timeout,
            schedule_to_close=info.schedule_to_close_timeout,
            heartbeat_timeout=info.heartbeat_timeout,
            retry_policy=info.retry_policy,
        )
        run: ActivityRun[Any] = ActivityRun(
            ref=ref, function=function, args=args, info=info, worker=self._worker
        )
        self._runs[ref.workflow_id, ref.activity_id] = run
        self._tasks.append(self._group.create_task(run.run(), name=info.activity_type))
        return run

    async def advance(self, by: timedelta) -> None:
        """Move the clock, and let everything happen that is due until then.

        Deadlines, default answers, reminders and the timeouts of the activities are due in their
        order. It returns once the gateway has nothing more to do.

        Raises:
            ValueError: `by` is negative.
        """
        if by < timedelta(0):
            msg = f"time does not go back; advance by {by} is negative"
            raise ValueError(msg)
        until = self.clock.now() + by
        while True:
            await settled()
            next_at = min([*filter(None, map(self._timeout_of, self._runs.values())), until])
            if next_at < until:
                self._advance_to(next_at)
                await settled()
                self._time_out_due()
                continue
            self._advance_to(until)
            await settled()
            self._time_out_due()
            await settled()
            return

    @contextmanager
    def wired(self) -> Iterator[None]:
        """Let `temporalio.testing.ActivityEnvironment` run activities in the block.

        Use it for tests that exist already. Their `run` raises what `raise_complete_async` raises
        once the activity waits, so only `run` of this class returns the answer.
        """
        with runtime_set(self._any_attempt):
            yield

    async def _callback_of(self, run: ActivityRun[Any]) -> OpenCallback | None:
        """Return the callback of a run; `None` if it ends without one."""
        found = asyncio.ensure_future(
            self.callback(workflow_id=run.ref.workflow_id, activity_id=run.ref.activity_id)
        )
        await _first(found, run.ended())
        if found.done():
            return found.result()
        found.cancel()
        return None

    def _find_run(self, callback: OpenCallback) -> ActivityRun[Any]:
        return self._runs[callback.workflow_id, callback.activity_id]

    def _explain(self) -> str:
        return "".join(run.describe_failure(before="; ") for run in self._runs.values())

    def _announce(self) -> None:
        for run in self._runs.values():
            run.announce()

    def _advance_to(self, moment: datetime) -> None:
        self.clock.advance(moment - self.clock.now())

    def _timeout_of(self, run: ActivityRun[Any]) -> datetime | None:
        pending = self.activities.pending(run.ref)
        return None if pending is None else pending.attempt_timeout_at

    def _time_out_due(self) -> None:
        for run in self._runs.values():
            timeout_at = self._timeout_of(run)
            if timeout_at is not None and timeout_at <= self.clock.now():
                self.activities.time_out(run.ref)

    async def stop(self) -> None:
        """Stop all activities that run."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _first(found: "asyncio.Future[Any]", end: Coroutine[Any, Any, None]) -> None:
    """Wait for `found` or for `end`, whichever comes first; both remain as they are."""
    ended = asyncio.ensure_future(end)
    try:
        await asyncio.wait([found, ended], return_when=asyncio.FIRST_COMPLETED)
    finally:
        ended.cancel()
