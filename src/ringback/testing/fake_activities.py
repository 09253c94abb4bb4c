"""Activities without a server: as much of Temporal's behaviour as the core relies on."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from ringback.domain.callback import ActivityRef
from ringback.domain.errors import (
    ActivityGoneError,
    RefusedByTemporalError,
    TemporalUnreachableError,
)
from ringback.domain.outcome import KINDS, Canceled, Completed, Failed, Outcome
from ringback.ports.activities import Ended, LastFailure, Pending, Pulse, Unknown, Whereabouts

_WAITING = Pending(
    attempt=1,
    is_started=True,
    cancel_requested=False,
    paused=False,
    deadline_at=None,
    last_failure=None,
)
_ENDED_AT = datetime(2030, 1, 1, tzinfo=UTC)


@dataclass
class FakeActivities:
    """An `Activities` for tests.

    Attributes:
        is_reachable: Set it to false and every call raises `TemporalUnreachableError`.
        answers_to_any: Set it to true and deliveries reach whatever has the activity's id, as
            they do by id: here, another activity.
        loses_replies: Set it to true and deliveries are applied, but their replies are lost.
        is_frozen: Set it and deliveries begin and do not end, as with a server that hangs.
        deliveries: What was applied, in order: the activity, the outcome, the identity.
        heartbeats: What was recorded, in order: the activity and the details.
    """

    is_reachable: bool = True
    answers_to_any: bool = False
    loses_replies: bool = False
    is_frozen: asyncio.Event = field(default_factory=asyncio.Event)
    deliveries: list[tuple[ActivityRef, Outcome, str]] = field(default_factory=list)
    heartbeats: list[tuple[ActivityRef, bytes | None]] = field(default_factory=list)
    _found: dict[ActivityRef, Pending | Ended] = field(default_factory=dict)

    def schedule(self, ref: ActivityRef) -> None:
        """Let the activity wait, started, at attempt 1."""
        self._found[ref] = _WAITING

    def back_off(self, ref: ActivityRef, last_failure: LastFailure) -> None:
        """Let the present attempt end with `last_failure`; the next one waits for its time."""
        pending = self._pending(ref)
        self._found[ref] = replace(
            pending, attempt=pending.attempt + 1, is_started=False, last_failure=last_failure
        )

    def start(self, ref: ActivityRef) -> None:
        """Let a worker take the attempt that waits."""
        self._found[ref] = replace(self._pending(ref), is_started=True)

    def request_cancel(self, ref: ActivityRef) -> None:
        """Ask the activity to cancel."""
        self._found[ref] = replace(self._pending(ref), cancel_requested=True)

    def end(self, ref: ActivityRef, *, how: str, identity: str = "") -> None:
        """Let the activity end without Ringback."""
        self._found[ref] = Ended(how, _ENDED_AT, identity, event_id=7)

    async def deliver(self, ref: ActivityRef, outcome: Outcome, *, identity: str) -> None:
        """See `Activities.deliver`.

        Raises:
            ActivityGoneError: The activity is not pending, or not started and this is no result.
            RefusedByTemporalError: A cancellation was reported that nobody asked for.
            TemporalUnreachableError: The server was switched off, or the reply was lost.
        """
        self._check_reachable()
        if self.is_frozen.is_set():
            await asyncio.Event().wait()
        if self.answers_to_any:
            self.deliveries.append((ref, outcome, identity))
            return
        pending = self._pending(ref)
        if isinstance(outcome, Canceled) and not pending.cancel_requested:
            msg = (
                "unable to mark activity as canceled without activity being request canceled first"
            )
            raise RefusedByTemporalError(msg)
        if not pending.is_started and not isinstance(outcome, Completed):
            # Only a completion by id reaches an activity between two attempts.
            msg = "the activity is not started"
            raise ActivityGoneError(msg)
        self.deliveries.append((ref, outcome, identity))
        self._apply(ref, outcome, identity)
        if self.loses_replies:
            msg = "the reply was lost"
            raise TemporalUnreachableError(msg)

    async def heartbeat(self, ref: ActivityRef, details: bytes | None) -> Pulse:
        """See `Activities.heartbeat`.

        Raises:
            ActivityGoneError: The activity is not pending, or not started.
        """
        self._check_reachable()
        pending = self._pending(ref)
        if not pending.is_started:
            msg = "the activity is not started"
            raise ActivityGoneError(msg)
        self.heartbeats.append((ref, details))
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

    def _apply(self, ref: ActivityRef, outcome: Outcome, identity: str) -> None:
        if isinstance(outcome, Failed) and not outcome.non_retryable:
            failure = LastFailure("application", outcome.message, outcome.type, source=identity)
            self.back_off(ref, failure)
        else:
            self.end(ref, how=KINDS[type(outcome)], identity=identity)

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
