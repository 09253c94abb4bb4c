"""A completion client without Temporal."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from temporalio.activity import ActivityCancellationDetails

from ringback.completion.patterns import Patterns
from ringback.completion.refs import Target, freeze
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
    CompletionRefusedError,
)

Method: TypeAlias = Literal["complete", "fail", "heartbeat", "report_cancellation"]


@dataclass
class FakeWaitingActivity:
    """An activity of a `FakeCompletionClient`: what it received, and how it ended.

    Attributes:
        heartbeats: The details of each heartbeat, empty ones included.
        details: The recorded details: the last that were not empty.
        ended_by: What ended it: `completed`, `failed`, `canceled`, `elsewhere`; `None` while it
            waits.
        result: Its result.
        failure: Its failure.
        cancel_details: The details of the reported cancellation.
    """

    heartbeats: list[tuple[Any, ...]] = field(default_factory=list)
    details: tuple[Any, ...] = ()
    ended_by: Literal["completed", "failed", "canceled", "elsewhere"] | None = None
    result: Any = None
    failure: BaseException | None = None
    cancel_details: tuple[Any, ...] = ()
    is_cancel_requested: bool = False
    is_paused: bool = False
    is_reset: bool = False

    def cancel(self) -> None:
        """Request its cancellation, as its workflow does."""
        self.is_cancel_requested = True

    def pause(self) -> None:
        """Pause it, as an operator does."""
        self.is_paused = True

    def unpause(self) -> None:
        """Resume it."""
        self.is_paused = False

    def reset(self) -> None:
        """Reset it, as an operator does."""
        self.is_reset = True

    def end(self) -> None:
        """End it in another way: by a timeout, its workflow or another answer."""
        self.ended_by = "elsewhere"


class FakeCompletionClient(Patterns):
    """Completes activities that exist only here; each waits from its first use.

    It replaces `AsyncCompletionClient` in tests of code that does work outside a worker, and passes
    the same tests.

    Attributes:
        before: Awaited before each call, with the method and the target. The caller gets its
            exceptions, so it can simulate a slow or unreachable server.
    """

    def __init__(self) -> None:
        """Create a client without activities."""
        self.before: Callable[[Method, Target], Awaitable[object]] | None = None
        self._activities: defaultdict[Target, FakeWaitingActivity] = defaultdict(
            FakeWaitingActivity
        )

    def __getitem__(self, target: Target) -> FakeWaitingActivity:
        """Return the activity with this name, waiting or ended."""
        return self._activities[freeze(target)]

    async def complete(self, activity: Target, result: Any = None) -> None:
        waiting = await self._waiting("complete", activity)
        waiting.ended_by, waiting.result = "completed", result

    async def fail(self, activity: Target, error: BaseException) -> None:
        waiting = await self._waiting("fail", activity)
        waiting.ended_by, waiting.failure = "failed", error

    async def heartbeat(
        self,
        activity: Target,
        *details: Any,
        rpc_timeout: timedelta | None = None,  # noqa: ARG002 - nothing takes time here
    ) -> None:
        waiting = await self._waiting("heartbeat", activity)
        waiting.heartbeats.append(details)
        waiting.details = details or waiting.details
        _raise_what_it_is_asked(waiting)

    async def report_cancellation(self, activity: Target, *details: Any) -> None:
        """End the activity as canceled.

        Raises:
            CompletionRefusedError: No cancellation was requested.
        """
        waiting = await self._waiting("report_cancellation", activity)
        if not waiting.is_cancel_requested:
            msg = "the activity was not asked to cancel"
            raise CompletionRefusedError(msg)
        waiting.ended_by, waiting.cancel_details = "canceled", details

    async def _waiting(self, method: Method, target: Target) -> FakeWaitingActivity:
        if self.before is not None:
            await self.before(method, target)
        found = self[target]
        if found.ended_by is not None:
            msg = "the activity has ended"
            raise ActivityNotFoundError(msg)
        return found


def _raise_what_it_is_asked(activity: FakeWaitingActivity) -> None:
    details = ActivityCancellationDetails(
        cancel_requested=activity.is_cancel_requested,
        paused=activity.is_paused,
        reset=activity.is_reset,
    )
    if activity.is_cancel_requested:
        msg = "the activity was asked to cancel"
        raise ActivityCancelledError(msg, details)
    if activity.is_paused:
        msg = "the activity is paused"
        raise ActivityPausedError(msg, details)
    if activity.is_reset:
        msg = "the activity was reset"
        raise ActivityResetError(msg, details)
