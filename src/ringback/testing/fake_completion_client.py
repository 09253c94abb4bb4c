"""A completion client without Temporal."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal, TypeAlias

from temporalio.activity import ActivityCancellationDetails

from ringback.completion.patterns import Patterns
from ringback.completion.refs import Target
from ringback.domain.completion_errors import (
    ActivityCancelledError,
    ActivityNotFoundError,
    ActivityPausedError,
    ActivityResetError,
    CompletionRefusedError,
)

WebhookEnd: TypeAlias = Literal["complete", "fail", "heartbeat", "report_cancellation"]


@dataclass
class FakeWaitingActivity:
    """An activity of a `FakeCompletionClient`: what it was told, and what became of it.

    Attributes:
        heartbeats: The details of each heartbeat that it got; empty ones too.
        details: What is recorded: the last details that were not empty.
        ended_by: What ended it: `completed`, `failed`, `canceled`, `elsewhere`; `None` while it
            waits.
        result: What it was completed with.
        failure: What it failed with.
        cancel_details: What came with the report of its cancellation.
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
        """Ask it to cancel, as its workflow does."""
        self.is_cancel_requested = True

    def pause(self) -> None:
        """Pause it, as an operator does."""
        self.is_paused = True

    def unpause(self) -> None:
        """Let it go on."""
        self.is_paused = False

    def reset(self) -> None:
        """Reset it, as an operator does."""
        self.is_reset = True

    def end(self) -> None:
        """End it another way: a timeout, its workflow, another answer."""
        self.ended_by = "elsewhere"


class FakeCompletionClient(Patterns):
    """Tells activities that exist only here; each waits from when it is first named.

    It stands in for an `AsyncCompletionClient` in tests of code that does outside work, and passes
    the same tests as that.

    Attributes:
        before: Awaited before anything is told, with what is told and to whom. What it raises is
            what the caller gets, so it stands for a server that is slow or away.
    """

    def __init__(self) -> None:
        """Begin with no activities."""
        self.before: Callable[[WebhookEnd, Target], Awaitable[object]] | None = None
        self._activities: defaultdict[Target, FakeWaitingActivity] = defaultdict(
            FakeWaitingActivity
        )

    def __getitem__(self, target: Target) -> FakeWaitingActivity:
        """Return the activity that waits, or waited, under this name."""
        return self._activities[target]

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
            msg = "nobody has asked the activity to cancel"
            raise CompletionRefusedError(msg)
        waiting.ended_by, waiting.cancel_details = "canceled", details

    async def _waiting(self, told: WebhookEnd, target: Target) -> FakeWaitingActivity:
        if self.before is not None:
            await self.before(told, target)
        found = self._activities[target]
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
        msg = "the activity is asked to cancel"
        raise ActivityCancelledError(msg, details)
    if activity.is_paused:
        msg = "the activity is paused"
        raise ActivityPausedError(msg, details)
    if activity.is_reset:
        msg = "the activity was reset"
        raise ActivityResetError(msg, details)
