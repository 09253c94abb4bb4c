"""The environment of the contract of `Activities`: a server, and activities that wait.

One environment uses the fake, another the real server. A method of a run returns once its effect is
visible.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, Protocol

import pytest

from ringback.domain.activity_state import Ended, LastFailure, Pending
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.errors import ActivityGoneError
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.ports.activities import Activities, Heartbeats

RESULT: Final = Completed(b'"yes"')
RETRIED: Final = Failed("busy", "Busy")
FINAL: Final = Failed("no", "No", non_retryable=True)
CANCELED: Final = Canceled(b'"why"')
OUTCOMES: Final[tuple[Outcome, ...]] = (RESULT, RETRIED, FINAL, CANCELED)

ME: Final = "ringback/oc_1"
ANOTHER: Final = "ringback/oc_2"

BY_ME: Final = LastFailure("application", "busy", "Busy", ME)
TIMED_OUT: Final = LastFailure("timeout", "activity StartToClose timeout", None, "Server")

AT_ONCE: Final = timedelta(milliseconds=1)
NOT_SOON: Final = timedelta(minutes=5)


class Way(Enum):
    """How an outcome is sent."""

    BY_TOKEN = "by token"  # noqa: S105 - it says how, and is no secret
    BY_IDS = "by ids"


class Again(Enum):
    """Where the workflow runs its activity again once it has ended, under the same id."""

    NOWHERE = "nowhere"
    IN_THE_SAME_RUN = "in the same run"
    IN_A_NEW_RUN = "in a new run"


@dataclass(frozen=True)
class Plan:
    """How a workflow runs its activity.

    Attributes:
        activities: Number of activities that the workflow runs concurrently.
        has_worker: Whether a worker runs the attempts.
        stays_in_worker: Whether the worker's function keeps running and may end the attempt.
        back_off: How long the server waits before the next attempt.
        most_attempts: Maximum number of attempts; 0 means no limit.
        start_to_close: How long an attempt may take.
        schedule_to_close: How long all of them may take.
        again: Where the workflow runs its activity again.
        workflow_id: The workflow's id; `None` creates a unique one.
    """

    activities: int = 1
    has_worker: bool = True
    stays_in_worker: bool = False
    back_off: timedelta = NOT_SOON
    most_attempts: int = 0
    start_to_close: timedelta = NOT_SOON
    schedule_to_close: timedelta | None = None
    again: Again = Again.NOWHERE
    workflow_id: str | None = None


class ActivityRun(Protocol):
    """A workflow that runs an activity; each attempt that starts opens its callback."""

    @property
    def callback(self) -> Callback:
        """The callback as the latest attempt opened it."""
        ...

    async def next_attempt(self) -> Callback:
        """Wait for the next attempt, also of an activity that runs again; return its callback."""
        ...

    async def end_in_worker(self, outcome: Completed | Failed) -> None:
        """End the attempt in the worker's own code."""
        ...

    async def time_out(self) -> None:
        """Time the running attempt out."""
        ...

    async def request_cancel(self) -> None:
        """Request a cancellation of the activity, as its workflow does."""
        ...

    async def pause(self) -> None:
        """Pause the activity."""
        ...

    async def unpause(self) -> None:
        """Unpause the activity."""
        ...

    async def reset(self) -> None:
        """Reset the activity."""
        ...

    async def set_timeout(self, schedule_to_close: timedelta) -> None:
        """Change the activity's timeout."""
        ...

    async def reset_workflow(self) -> Callback:
        """Reset the workflow to where its activity waits; return the callback of the new run."""
        ...

    async def terminate(self) -> None:
        """Terminate the workflow while its activity waits."""
        ...


class ActivityEnv(Protocol):
    """A server and its workflows."""

    @property
    def activities(self) -> Activities:
        """The implementation under test."""
        ...

    @property
    def heartbeats(self) -> Heartbeats:
        """The implementation of heartbeats under test."""
        ...

    @property
    def worker(self) -> str:
        """The identity of the worker."""
        ...

    async def start(self, plan: Plan) -> ActivityRun:
        """Start a workflow; return once its activity waits."""
        ...

    async def start_many(self, plan: Plan) -> list[ActivityExecution]:
        """Start a workflow; return its activities once they all wait."""
        ...


async def send(env: ActivityEnv, way: Way, callback: Callback, outcome: Outcome) -> None:
    """Deliver an outcome with the identity `ME`."""
    encoded = await env.activities.encode(callback, outcome)
    if way is Way.BY_TOKEN:
        await env.activities.deliver_to_attempt(callback, encoded, identity=ME)
    else:
        await env.activities.deliver(callback, encoded, identity=ME)


async def assert_gone(env: ActivityEnv, way: Way, callback: Callback, *outcomes: Outcome) -> None:
    """Assert that each outcome is refused because the activity has ended."""
    for outcome in outcomes or OUTCOMES:
        with pytest.raises(ActivityGoneError):
            await send(env, way, callback, outcome)


async def waiting(env: ActivityEnv, run: ActivityRun) -> Pending:
    """Return how the activity waits; assert that `poll` and `resolve` agree."""
    (looked,) = await env.activities.poll([run.callback.ref])
    located = await env.activities.resolve(run.callback.ref)
    assert looked == located
    assert isinstance(looked, Pending)
    return looked


async def ended(env: ActivityEnv, run: ActivityRun) -> Ended:
    """Return how the activity ended; assert that `poll` and `resolve` agree."""
    (looked,) = await env.activities.poll([run.callback.ref])
    located = await env.activities.resolve(run.callback.ref)
    assert looked is None
    assert isinstance(located, Ended)
    return located


def facts(end: Ended) -> tuple[str, str, int | None, LastFailure | None]:
    """Return an end without its instant and its event."""
    return end.how, end.identity, end.attempt, end.last_failure
