"""Activities without a server: as much of Temporal's behaviour as the core relies on.

The same tests run on it and on the real server: `tests/contract/activities_contract.py`.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ringback.domain.callback import ActivityRef, Callback
from ringback.domain.errors import (
    ActivityGoneError,
    AnswerTooLargeError,
    RefusedByTemporalError,
    TemporalBusyError,
    TemporalUnreachableError,
)
from ringback.domain.outcome import KINDS, Canceled, Completed, Failed, Outcome, body_of
from ringback.ports.activities import Ended, LastFailure, Pending, Pulse, Unknown, Whereabouts

_BEGINNING = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class FakeActivities:
    """An `Activities` for tests.

    Attributes:
        is_reachable: Set it to false and every call raises `TemporalUnreachableError`.
        is_busy: Set it to true and deliveries raise `TemporalBusyError`.
        loses_replies: Set it to true and deliveries are applied, but their replies are lost.
        is_frozen: Set it and deliveries begin and do not end, as with a server that hangs.
        most_attempts: After so many attempts a failure ends the activity; 0 is no limit.
        largest: The largest body that `check` lets pass, in bytes.
        deliveries: What was applied, in order: the activity, the outcome, the identity.
        heartbeats: What was recorded, in order: the activity and the details.
    """

    is_reachable: bool = True
    is_busy: bool = False
    loses_replies: bool = False
    is_frozen: asyncio.Event = field(default_factory=asyncio.Event)
    most_attempts: int = 0
    largest: int = 2 * 1024 * 1024
    deliveries: list[tuple[ActivityRef, Outcome, str]] = field(default_factory=list)
    heartbeats: list[tuple[ActivityRef, bytes | None]] = field(default_factory=list)
    _found: dict[ActivityRef, Pending | Ended] = field(default_factory=dict)
    _instants: int = 0
    _latest_run: dict[tuple[str, str, datetime], ActivityRef] = field(default_factory=dict)

    def schedule(self, ref: ActivityRef) -> None:
        """Let the activity wait, started, at attempt 1."""
        self._latest_run[_lineage(ref)] = ref
        self._found[ref] = Pending(
            attempt=1,
            is_started=True,
            started_at=self._next_instant(),
            cancel_requested=False,
            paused=False,
            timeout_at=None,
            last_failure=None,
        )

    def task_token(self, ref: ActivityRef) -> bytes:
        """Return the token of the attempt that runs; like Temporal's, it tells only its number."""
        return _token(ref, self._pending(ref).attempt)

    def attempt(self, ref: ActivityRef) -> int:
        """Return the number of the attempt that runs, or of the next one."""
        return self._pending(ref).attempt

    def started_at(self, ref: ActivityRef) -> datetime:
        """Return when the attempt that runs was started."""
        started_at = self._pending(ref).started_at
        assert started_at is not None, "an attempt runs"
        return started_at

    def back_off(self, ref: ActivityRef, last_failure: LastFailure) -> None:
        """Let the present attempt end with `last_failure`; the next one waits for its time."""
        pending = self._pending(ref)
        if pending.cancel_requested or pending.attempt == self.most_attempts:
            how = "timed out" if last_failure.kind == "timeout" else "failed"
            self.end(ref, how=how, identity=last_failure.source)
            return
        self._found[ref] = replace(
            pending,
            attempt=pending.attempt + 1,
            is_started=False,
            started_at=None,
            last_failure=last_failure,
        )

    def start(self, ref: ActivityRef) -> None:
        """Let a worker take the attempt that waits."""
        pending = self._pending(ref)
        self._found[ref] = replace(pending, is_started=True, started_at=self._next_instant())

    def reset(self, ref: ActivityRef) -> None:
        """Reset the activity: its attempts count from 1 again, and one that runs runs on."""
        pending = self._pending(ref)
        last_failure = pending.last_failure if pending.is_started else None
        self._found[ref] = replace(pending, attempt=1, last_failure=last_failure)

    def reset_workflow(self, ref: ActivityRef, run_id: str) -> ActivityRef:
        """Reset the workflow to where the activity waits; return it in the new run, started."""
        self.end(ref, how="workflow terminated")
        moved = replace(ref, run_id=run_id)
        self.schedule(moved)
        return moved

    def request_cancel(self, ref: ActivityRef) -> None:
        """Ask the activity to cancel."""
        self._found[ref] = replace(self._pending(ref), cancel_requested=True)

    def pause(self, ref: ActivityRef) -> None:
        """Pause the activity: none of its timers runs."""
        self._found[ref] = replace(self._pending(ref), paused=True, timeout_at=None)

    def set_timeout(self, ref: ActivityRef, timeout_at: datetime | None) -> None:
        """Give the activity another time-out."""
        self._found[ref] = replace(self._pending(ref), timeout_at=timeout_at)

    def end(self, ref: ActivityRef, *, how: str, identity: str = "") -> None:
        """Let the activity end, in the attempt at which it is."""
        last = self._found.get(ref)
        attempt, before = None, None
        if isinstance(last, Pending) and (last.is_started or how.startswith("workflow ")):
            attempt, before = last.attempt, last.last_failure
        self._found[ref] = Ended(how, self._next_instant(), identity, 7, attempt, before)

    async def check(self, callback: Callback, outcome: Outcome) -> None:  # noqa: ARG002 - the port's
        """See `Activities.check`.

        Raises:
            AnswerTooLargeError: The body is larger than `largest`.
        """
        if len(body_of(outcome) or b"") > self.largest:
            raise AnswerTooLargeError(self.largest, "the answer")

    async def deliver_to_attempt(
        self, callback: Callback, outcome: Outcome, *, identity: str
    ) -> None:
        """See `Activities.deliver_to_attempt`.

        Raises:
            ActivityGoneError: The attempt that the token names is not the one that runs.
        """
        await self._arrive()
        pending = self._pending(callback.ref)
        is_running = callback.task_token == _token(callback.ref, pending.attempt)
        if not is_running or not pending.is_started:
            msg = "invalid activityID or activity already timed out"
            raise ActivityGoneError(msg)
        self._apply(callback.ref, outcome, identity)

    async def deliver(self, callback: Callback, outcome: Outcome, *, identity: str) -> None:
        """See `Activities.deliver`.

        Raises:
            ActivityGoneError: The activity is not pending, or not started and this is no result.
        """
        await self._arrive()
        pending = self._pending(callback.ref)
        if not pending.is_started and not isinstance(outcome, Completed):
            # Only a completion by id reaches an activity between two attempts.
            msg = "the activity is not started"
            raise ActivityGoneError(msg)
        self._apply(callback.ref, outcome, identity)

    async def heartbeat(self, callback: Callback, details: bytes | None) -> Pulse:
        """See `Activities.heartbeat`.

        Raises:
            ActivityGoneError: The activity is not pending, or not started.
        """
        self._check_reachable()
        pending = self._pending(callback.ref)
        if not pending.is_started:
            msg = "the activity is not started"
            raise ActivityGoneError(msg)
        self.heartbeats.append((callback.ref, details))
        return Pulse(pending.cancel_requested, pending.paused, reset=False)

    async def look(self, refs: Sequence[ActivityRef]) -> Sequence[Pending | None]:
        """See `Activities.look`."""
        self._check_reachable()
        found = [self._found.get(ref) for ref in refs]
        return [one if isinstance(one, Pending) else None for one in found]

    async def locate(self, ref: ActivityRef) -> Whereabouts:
        """See `Activities.locate`."""
        self._check_reachable()
        return self._found.get(ref, Unknown("no such activity"))

    async def find_after_reset(self, ref: ActivityRef) -> ActivityRef | None:
        """See `Activities.find_after_reset`."""
        self._check_reachable()
        latest = self._latest_run.get(_lineage(ref), ref)
        return None if latest == ref else latest

    async def _arrive(self) -> None:
        self._check_reachable()
        if self.is_busy:
            msg = "the fake server is busy"
            raise TemporalBusyError(msg)
        if self.is_frozen.is_set():
            await asyncio.Event().wait()

    def _apply(self, ref: ActivityRef, outcome: Outcome, identity: str) -> None:
        pending = self._pending(ref)
        if isinstance(outcome, Canceled) and not pending.cancel_requested:
            msg = (
                "unable to mark activity as canceled without activity being request canceled first"
            )
            raise RefusedByTemporalError(msg)
        self.deliveries.append((ref, outcome, identity))
        if isinstance(outcome, Failed) and not outcome.non_retryable:
            failure = LastFailure("application", outcome.message, outcome.type, source=identity)
            self.back_off(ref, failure)
        else:
            self.end(ref, how=KINDS[type(outcome)], identity=identity)
        if self.loses_replies:
            msg = "the reply was lost"
            raise TemporalUnreachableError(msg)

    def _pending(self, ref: ActivityRef) -> Pending:
        found = self._found.get(ref)
        if not isinstance(found, Pending):
            msg = "the activity is not pending"
            raise ActivityGoneError(msg)
        return found

    def _check_reachable(self) -> None:
        if not self.is_reachable:
            msg = "the fake server was switched off"
            raise TemporalUnreachableError(msg)

    def _next_instant(self) -> datetime:
        self._instants += 1
        return _BEGINNING + timedelta(seconds=self._instants)


def _token(ref: ActivityRef, attempt: int) -> bytes:
    return f"{ref.workflow_id}/{ref.run_id}/{ref.activity_id}/{ref.scheduled_at}/{attempt}".encode()


def _lineage(ref: ActivityRef) -> tuple[str, str, datetime]:
    return ref.workflow_id, ref.activity_id, ref.scheduled_at
