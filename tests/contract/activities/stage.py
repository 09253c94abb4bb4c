"""What the contract's tests need of a server: activities that wait, and all that happens to them.

There is a stage with the fake and one with the real server. Whatever is done to a scene has taken
effect when the call returns.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Final, Protocol

import pytest

from ringback.domain.activity_state import Ended, LastFailure, Pending
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.errors import ActivityGoneError
from ringback.domain.opening import OpenRequest
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.ports.activities import Activities, Heartbeats
from tests import factories

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
        activities: How many activities the workflow runs beside each other.
        has_worker: Whether a worker takes the attempts.
        stays_in_worker: Whether an attempt goes on in its worker, which may end it.
        back_off: How long the server waits before the next attempt.
        most_attempts: After so many the activity has failed; 0 is no limit.
        start_to_close: How long an attempt may take.
        schedule_to_close: How long all of them may take.
        again: Where the workflow runs its activity again.
        workflow_id: The workflow's id; one that nobody else has if it is `None`.
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


class Scene(Protocol):
    """A workflow that runs an activity; each attempt that is started asks."""

    @property
    def asked(self) -> Callback:
        """What the latest attempt asked with."""
        ...

    async def next_attempt(self) -> Callback:
        """Return what the next attempt asks with, also of an activity that is run again."""
        ...

    async def end_in_worker(self, outcome: Completed | Failed) -> None:
        """Let the worker's own code end the attempt."""
        ...

    async def time_out(self) -> None:
        """Let the attempt that runs time out."""
        ...

    async def request_cancel(self) -> None:
        """Let the workflow ask its activity to cancel."""
        ...

    async def pause(self) -> None:
        """Pause the activity."""
        ...

    async def unpause(self) -> None:
        """Let it go on."""
        ...

    async def reset(self) -> None:
        """Reset the activity."""
        ...

    async def set_timeout(self, schedule_to_close: timedelta) -> None:
        """Give the activity another timeout."""
        ...

    async def reset_workflow(self) -> Callback:
        """Reset the workflow to where its activity waits; return what that asks with."""
        ...

    async def terminate(self) -> None:
        """Close the workflow over its activity."""
        ...


class Stage(Protocol):
    """A server, and workflows on it."""

    @property
    def activities(self) -> Activities:
        """What is under test."""
        ...

    @property
    def heartbeats(self) -> Heartbeats:
        """What is under test for signs of life."""
        ...

    @property
    def worker(self) -> str:
        """The identity of the worker."""
        ...

    async def ask(self, plan: Plan) -> Scene:
        """Start a workflow; return once its activity waits."""
        ...

    async def ask_many(self, plan: Plan) -> list[ActivityExecution]:
        """Start a workflow; return its activities once they all wait."""
        ...


async def asked_with(request: OpenRequest) -> Callback:
    """Return what an attempt gets that asks with this."""
    return await factories.opened(request)


async def send(stage: Stage, way: Way, callback: Callback, outcome: Outcome) -> None:
    """Deliver an outcome in my name."""
    encoded = await stage.activities.encode(callback, outcome)
    if way is Way.BY_TOKEN:
        await stage.activities.deliver_to_attempt(callback, encoded, identity=ME)
    else:
        await stage.activities.deliver(callback, encoded, identity=ME)


async def assert_gone(stage: Stage, way: Way, callback: Callback, *outcomes: Outcome) -> None:
    """Check that none of the outcomes reaches anything."""
    for outcome in outcomes or OUTCOMES:
        with pytest.raises(ActivityGoneError):
            await send(stage, way, callback, outcome)


async def waiting(stage: Stage, scene: Scene) -> Pending:
    """Return how the activity waits, which both requests tell alike."""
    (looked,) = await stage.activities.poll([scene.asked.ref])
    located = await stage.activities.resolve(scene.asked.ref)
    assert looked == located
    assert isinstance(looked, Pending)
    return looked


async def ended(stage: Stage, scene: Scene) -> Ended:
    """Return how the activity ended, which both requests tell."""
    (looked,) = await stage.activities.poll([scene.asked.ref])
    located = await stage.activities.resolve(scene.asked.ref)
    assert looked is None
    assert isinstance(located, Ended)
    return located


def facts(end: Ended) -> tuple[str, str, int | None, LastFailure | None]:
    """Return what an end tells besides its instant and its event."""
    return end.how, end.identity, end.attempt, end.last_failure
