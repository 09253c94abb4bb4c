"""Activities that somebody else's worker runs, learnt from Temporal by name."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from ringback.domain.callback import ActivityExecution


@dataclass(frozen=True, slots=True)
class Named:
    """An attempt, by what its worker has at hand in every language.

    Attributes:
        namespace: Temporal's namespace.
        workflow_id: The workflow that scheduled the activity; empty for a standalone one.
        run_id: The run of it; a standalone one's own.
        activity_id: The activity's id in that run.
        attempt: The number of the attempt.
        task_token: What names the attempt to Temporal.
    """

    namespace: str
    workflow_id: str
    run_id: str
    activity_id: str
    attempt: int
    task_token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Identified:
    """The attempt that was named, as Temporal has it.

    Attributes:
        ref: The activity, with the exact instant that it was first scheduled at: what SDKs tell
            of it is cut to milliseconds in some languages.
        workflow_type: The type of its workflow; empty for a standalone one.
        activity_type: Its type.
        task_queue: Where its worker takes it from.
        started_at: When the attempt was started.
        timeout_at: When Temporal times the attempt out, as far as is known.
        schedule_to_close: How long all its attempts may take; `None` is for ever.
        heartbeat_timeout: How long it may be without a heartbeat; `None` is for ever.
    """

    ref: ActivityExecution
    workflow_type: str
    activity_type: str
    task_queue: str
    started_at: datetime
    timeout_at: datetime | None
    schedule_to_close: timedelta | None
    heartbeat_timeout: timedelta | None


class Identifier(Protocol):
    """Who knows the attempts that run."""

    async def identify(self, named: Named) -> Identified:
        """Return the attempt that is named, which runs now.

        Raises:
            ActivityGoneError: It does not run any more, or never did.
            MalformedRequestError: The task token is none, or another activity's.
            RefusedByTemporalError: Temporal does not know the namespace.
            TemporalUnreachableError: No answer.
        """
        ...
