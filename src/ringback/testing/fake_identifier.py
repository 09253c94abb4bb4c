"""An identifier without a server."""

from dataclasses import dataclass, field

from ringback.domain.callback import ActivityExecution
from ringback.domain.errors import ActivityGoneError, MalformedRequestError, Problem
from ringback.ports.activities import AttemptRef, IdentifiedAttempt
from ringback.testing.fake_activities import FakeActivities


@dataclass
class FakeIdentifier:
    """An `Identifier` that knows the activities of a `FakeActivities`.

    Attributes:
        activities: The activities; only those in `known` are found.
        known: The activities that can be identified.
    """

    activities: FakeActivities
    known: list[ActivityExecution] = field(default_factory=list)

    async def identify(self, named: AttemptRef) -> IdentifiedAttempt:
        """Return the known activity that `named` identifies.

        Raises:
            ActivityGoneError: No such attempt is running.
            MalformedRequestError: The task token belongs to another attempt.
        """
        ref = next((one for one in self.known if _has_name(one, named)), None)
        if ref is not None:
            # The real one asks the server, which may be unreachable.
            await self.activities.resolve(ref)
        pending = None if ref is None else self.activities.pending(ref)
        if ref is None or pending is None or pending.attempt != named.attempt:
            msg = "the attempt is no longer running"
            raise ActivityGoneError(msg)
        if named.task_token != self.activities.task_token(ref):
            problem = Problem("/activity/task_token", "it is not the task token of this activity")
            raise MalformedRequestError([problem])
        return named.to_identified() or IdentifiedAttempt(
            ref=ref,
            workflow_type="Order",
            activity_type="charge",
            task_queue="orders",
            started_at=self.activities.started_at(ref),
            attempt_timeout_at=pending.attempt_timeout_at,
            schedule_to_close=None,
            heartbeat_timeout=pending.heartbeat_timeout,
        )


def _has_name(ref: ActivityExecution, named: AttemptRef) -> bool:
    run = (named.namespace, named.workflow_id, named.run_id)
    return (ref.run, ref.activity_id) == (run, named.activity_id)
