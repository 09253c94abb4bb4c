"""Activities without a server: the parts of Temporal's behavior that the core relies on.

The same tests run on this and on the real server: `tests/contract/activities_contract.py`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ringback.domain.activity_state import ActivityState, HeartbeatResponse, Pending, Unknown
from ringback.domain.callback import ActivityExecution, Callback
from ringback.domain.errors import (
    ActivityGoneError,
    AnswerTooLargeError,
    MalformedRequestError,
    Problem,
    RefusedByTemporalError,
    TemporalBusyError,
    TemporalMisconfiguredError,
    TemporalUnreachableError,
)
from ringback.domain.opening import RunningAttempt
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome, to_body
from ringback.domain.terms import Terms, to_terms
from ringback.ports.activities import AttemptRef
from ringback.testing.fake_activity import FakeActivity
from ringback.testing.fake_server import FakeServer

_NOT_RUNNING: Final = "invalid activityID or activity already timed out"
_NOT_ASKED_TO_CANCEL: Final = (
    "unable to mark activity as canceled without activity being request canceled first"
)


@dataclass(kw_only=True)
class FakeActivities(FakeServer):
    """An `Activities` and a `Heartbeats` for tests.

    Attributes:
        is_reachable: If false, every call raises `TemporalUnreachableError`.
        unserved: Namespaces that the server has recreated: it knows none of the old activities, and
            rejects their tokens with `TemporalMisconfiguredError`.
        is_busy: If true, deliveries raise `TemporalBusyError`.
        loses_replies: If true, deliveries are applied, but their replies are lost.
        is_frozen: If true, deliveries hang, as with a frozen server.
        largest: The maximum size of a body, in bytes.
        largest_retried: The maximum size of the body of a retryable failure.
        deliveries: The applied deliveries, in order: the activity, the outcome, the identity.
        heartbeats: The recorded heartbeats, in order: the activity and the details.
        looks: The polled activities, in order, one entry per request.
    """

    is_reachable: bool = True
    unserved: frozenset[str] = frozenset()
    is_busy: bool = False
    loses_replies: bool = False
    is_frozen: asyncio.Event = field(default_factory=asyncio.Event)
    largest: int = 2 * 1024 * 1024
    largest_retried: int = 4096
    deliveries: list[tuple[ActivityExecution, Outcome, str]] = field(default_factory=list)
    heartbeats: list[tuple[ActivityExecution, bytes | None]] = field(default_factory=list)
    looks: list[Sequence[ActivityExecution]] = field(default_factory=list)

    async def check(self, terms: Terms, outcome: Outcome) -> None:  # noqa: ARG002 - the port's
        is_retried = isinstance(outcome, Failed) and not outcome.non_retryable
        limit = min(self.largest, self.largest_retried) if is_retried else self.largest
        _check_size(to_body(outcome), limit, "the answer")

    async def encode(self, callback: Callback, outcome: Outcome) -> Outcome:  # noqa: ARG002 - the port's
        return outcome

    async def deliver_to_attempt(
        self, callback: Callback, encoded: object, *, identity: str
    ) -> None:
        outcome = await self._arrive(callback, encoded)
        assert callback.task_token is not None, "check callback.task_token first"
        await self.check_server(callback)
        self._deliver(self._with_token(callback.task_token), outcome, identity)

    async def deliver(self, callback: Callback, encoded: object, *, identity: str) -> None:
        """Deliver to the activity with these ids.

        Raises:
            ActivityGoneError: The activity is unknown or has ended, or it has not started and the
                outcome is not a result.
        """
        outcome = await self._arrive(callback, encoded)
        self._check_known(callback.ref)
        activity = self._with_ids(callback.ref)
        if not activity.is_started and not isinstance(outcome, Completed):
            raise ActivityGoneError(_NOT_RUNNING)
        self._deliver(activity, outcome, identity)

    async def check_details(self, callback: Callback, details: bytes | None) -> None:  # noqa: ARG002 - the port's
        _check_size(details, self.largest, "the details")

    async def heartbeat_to_attempt(
        self, callback: Callback, details: bytes | None
    ) -> HeartbeatResponse:
        await self.check_details(callback, details)
        self._check_reachable()
        assert callback.task_token is not None, "check callback.task_token first"
        await self.check_server(callback)
        return self._heartbeat(self._with_token(callback.task_token), details)

    async def heartbeat(self, callback: Callback, details: bytes | None) -> HeartbeatResponse:
        """Send a heartbeat to the activity with these ids.

        Raises:
            ActivityGoneError: The activity is unknown, has not started or has ended.
        """
        await self.check_details(callback, details)
        self._check_reachable()
        self._check_known(callback.ref)
        activity = self._with_ids(callback.ref)
        if not activity.is_started:
            raise ActivityGoneError(_NOT_RUNNING)
        return self._heartbeat(activity, details)

    async def poll(self, refs: Sequence[ActivityExecution]) -> Sequence[Pending | None]:
        self._check_reachable()
        self.looks.append(refs)
        return [None if ref.namespace in self.unserved else self.pending(ref) for ref in refs]

    async def resolve(self, ref: ActivityExecution) -> ActivityState:
        self._check_reachable()
        known = None if ref.namespace in self.unserved else self._activities.get(ref)
        return Unknown("no such activity") if known is None else known.activity_state

    async def resolve_all(self, refs: Sequence[ActivityExecution]) -> Sequence[ActivityState]:
        return [await self.resolve(ref) for ref in refs]

    async def check_server(self, callback: Callback) -> None:
        """Check that this server issued the callback's task token.

        Raises:
            TemporalMisconfiguredError: Another server issued it.
        """
        self._check_reachable()
        if callback.ref.namespace in self.unserved and callback.task_token is not None:
            msg = "NOT_FOUND: Namespace 11111111 is not found."
            raise TemporalMisconfiguredError(msg)

    async def find_after_reset(self, ref: ActivityExecution) -> ActivityExecution | None:
        self._check_reachable()
        latest_run = self._latest_runs.get((ref.namespace, ref.workflow_id), ref.run_id)
        latest = replace(ref, run_id=latest_run)
        return latest if latest != ref and latest in self._activities else None

    def forget(self, ref: ActivityExecution) -> None:
        """Delete the activity's run, as Temporal does after its retention."""
        for other in [other for other in self._activities if other.run == ref.run]:
            del self._activities[other]

    def _heartbeat(self, activity: FakeActivity, details: bytes | None) -> HeartbeatResponse:
        self.heartbeats.append((activity.ref, details))
        return HeartbeatResponse(activity.cancel_requested, activity.paused, activity.was_reset)

    async def _arrive(self, callback: Callback, encoded: object) -> Outcome:
        assert isinstance(encoded, Outcome), "`encode` returned it"
        await self.check(to_terms(callback), encoded)
        self._check_reachable()
        if self.is_busy:
            msg = "the fake server is busy"
            raise TemporalBusyError(msg)
        if self.is_frozen.is_set():
            await asyncio.Event().wait()
        return encoded

    def _deliver(self, activity: FakeActivity, outcome: Outcome, identity: str) -> None:
        if isinstance(outcome, Canceled) and not activity.cancel_requested:
            raise RefusedByTemporalError(_NOT_ASKED_TO_CANCEL)
        self.deliveries.append((activity.ref, outcome, identity))
        self._apply(activity, outcome, identity=identity, source=identity)
        if self.loses_replies:
            msg = "the reply was lost"
            raise TemporalUnreachableError(msg)

    def _check_known(self, ref: ActivityExecution) -> None:
        if ref.namespace in self.unserved:
            raise ActivityGoneError(_NOT_RUNNING)

    def _check_reachable(self) -> None:
        if not self.is_reachable:
            msg = "the fake server was switched off"
            raise TemporalUnreachableError(msg)


def _check_size(body: bytes | None, limit: int, what: str) -> None:
    if len(body or b"") > limit:
        raise AnswerTooLargeError(limit, what)


class ExactResults:
    """A `ResultChecker` for tests."""

    async def problems(self, schema: str, result: bytes | None) -> Sequence[Problem]:
        return [] if result == schema.encode() else [Problem("/a", f"not {schema}")]


@dataclass
class FakeIdentifier:
    """An `Identifier` that knows the activities of a `FakeActivities`.

    Attributes:
        activities: The activities; only those in `known` are found.
        known: The activities that can be identified.
    """

    activities: FakeActivities
    known: list[ActivityExecution] = field(default_factory=list)

    async def identify(self, named: AttemptRef) -> RunningAttempt:
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
        return named.known or RunningAttempt(
            ref=ref,
            number=named.attempt,
            started_at=self.activities.started_at(ref),
            task_token=named.task_token,
            workflow_type="Order",
            activity_type="charge",
            task_queue="orders",
            timeout_at=pending.attempt_timeout_at,
            heartbeat_timeout=pending.heartbeat_timeout,
        )


def _has_name(ref: ActivityExecution, named: AttemptRef) -> bool:
    run = (named.namespace, named.workflow_id, named.run_id)
    return (ref.run, ref.activity_id) == (run, named.activity_id)
