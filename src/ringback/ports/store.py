"""The store: callbacks, their outcomes and their audit trail.

Every method takes and returns many items and is one transaction, so that many answers share one
commit. `expire`, `settle` and `postpone` may receive thousands of items and use several
transactions. When a method returns, its changes are durable. The store's clock dates everything, so
the clocks of the gateways do not matter; callers pass durations, never instants.

All methods raise `StoreUnavailableError` if the database cannot be reached or cannot write. Nothing
of the call was stored then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from ringback.domain.audit import AuditEntry
from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.opening import OpenRequest
from ringback.domain.outcome import Outcome
from ringback.domain.query import Query
from ringback.domain.terms import Terms

MOST_CLAIMED_BYTES: Final = 4 * 1024 * 1024
"""About the maximum bytes of bodies that a process delivers at a time: each is copied five times on
its way to Temporal."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of a sender to one callback.

    Attributes:
        callback_id: The callback.
        id: The outcome's id if the answer is accepted.
        outcome: The outcome.
        link_serial: The serial of the sender's link; `None` without a link.
        traceparents: The trace contexts of the activity and of the request, where there are any.
    """

    callback_id: CallbackId
    id: OutcomeId
    outcome: Outcome
    link_serial: int | None = None
    traceparents: tuple[str | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """The verdict on an accepted outcome.

    Attributes:
        callback_id: The callback.
        tries: `Accepted.tries` at the time of the verdict. The store ignores a verdict of an older
            try.
        verdict: One of `ringback.domain.callback.VERDICTS`.
        proof: The evidence, by name, as plain JSON.
    """

    callback_id: CallbackId
    tries: int
    verdict: State
    proof: dict[str, object]


@dataclass(frozen=True, slots=True)
class Postponement:
    """A delivery without a verdict, which is retried.

    Attributes:
        callback_id: The callback.
        tries: `Accepted.tries` of that delivery. The store ignores a postponement of an older try.
        wait: The time until the next try.
        reason: Why the verdict is missing.
        is_not_applied: Whether Temporal has shown that no delivery so far had an effect.
    """

    callback_id: CallbackId
    tries: int
    wait: timedelta
    reason: str
    is_not_applied: bool = False


@dataclass(frozen=True, slots=True)
class Expiry:
    """A callback whose activity no longer accepts an answer.

    Attributes:
        callback_id: The callback.
        attempt_started_at: The `Callback.attempt_started_at` that was read. The store ignores the
            expiry if a later attempt has opened the callback since.
        reason: What ended the activity, in a sentence.
    """

    callback_id: CallbackId
    attempt_started_at: datetime
    reason: str


MAX_EVIDENCE: Final = 20
EVIDENCE_BYTES: Final = 16 * 1024


class CallbackStore(Protocol):
    """What opening callbacks and accepting answers need."""

    async def open(self, requests: Sequence[OpenRequest]) -> Sequence[Callback]:
        """Find or create the callback of each request, in order.

        An activity has one callback over all its attempts, unless
        `ringback.domain.opening.needs_new_callback` says otherwise. An open callback that a new one
        replaces expires. The data of a later attempt (number, start time, token, timeout and, after
        a reset, run) replaces that of the attempt before; its aliases are added.

        Raises:
            AliasConflictsError: Some requests cannot get their aliases. Nothing was stored.
        """
        ...

    async def mark_submitted(self, callback_ids: Sequence[CallbackId]) -> Sequence[bool]:
        """Store that the user's `submit` has returned; return whether each callback exists.

        Later calls change nothing.
        """
        ...

    async def terms(self, callback_ids: Sequence[CallbackId]) -> Mapping[CallbackId, Terms]:
        """Return the terms of the callbacks that exist. Terms never change."""
        ...

    async def accept(self, answers: Sequence[Answer]) -> Sequence[datetime | None]:
        """Store each answer that is the first for its callback.

        The callback must be open, and the answer's link must not be revoked; both hold until the
        commit.

        Returns, for each answer in order, when it was accepted; `None` if it was not.
        """
        ...

    async def store_evidence(self, answers: Sequence[Answer]) -> None:
        """Store answers that differ from the accepted one in the audit trail.

        A callback stores the first `MAX_EVIDENCE` of them, each with `EVIDENCE_BYTES` of its body.
        """
        ...

    async def expire(self, expiries: Sequence[Expiry]) -> None:
        """Close open callbacks whose activity no longer accepts an answer; ignore the others."""
        ...

    async def find(self, callback_ids: Sequence[CallbackId]) -> Mapping[CallbackId, Callback]:
        """Return the callbacks that exist.

        Raises:
            UnreadableCallbackError: The row of one cannot be read.
        """
        ...

    async def schemas(self, schema_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the texts of result schemas, by `Callback.schema_id`."""
        ...


class DeliveryQueue(Protocol):
    """What deliveries to Temporal need."""

    async def claim(
        self, owner: str, *, limit: int, lease: timedelta, most_bytes: int = MOST_CLAIMED_BYTES
    ) -> Sequence[Callback]:
        """Claim callbacks whose outcome is due, oldest first.

        The last one claimed is the one whose body brings the bytes to `most_bytes` or more.
        No other owner gets them until the lease ends. Each claim counts as a try. From the claim
        until the verdict, the attempt is unconfirmed: the delivery may have ended it
        (`Accepted.unconfirmed_attempt` keeps the first such attempt). A postponement with
        `is_not_applied` clears that.
        """
        ...

    async def release(self, owner: str) -> None:
        """Give back what `owner` has claimed and not finished, because it stops."""
        ...

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        """Give claimed outcomes back, to be retried.

        One with `is_not_applied` counts as a try, so that verdicts from before are ignored.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Store verdicts with their proof.

        The first verdict of an outcome counts. A verdict of an older try is ignored: a process that
        was paused acts on stale data.
        """
        ...

    async def next_due(self) -> timedelta | None:
        """Return the time until an outcome is due; `None` if none is scheduled."""
        ...

    async def deliver_inline(
        self,
        callback_id: CallbackId,
        *,
        worker: str,
        attempt_started_at: datetime,
        lease: timedelta,
    ) -> bool:
        """Claim the accepted outcome for an attempt that is about to return or raise it.

        It counts as a try, and until the lease ends nobody else delivers the outcome. The attempt
        is unconfirmed until the verdict. Returns whether the outcome was claimed: not while another
        delivery runs, not if it is parked, and only for the latest attempt that opened the
        callback.
        """
        ...

    async def redeliver(self, callback_id: CallbackId) -> bool:
        """Make a parked outcome due again, and treat earlier deliveries as not applied.

        Returns whether it was parked.
        """
        ...


class Links(Protocol):
    """What the revocation of links needs."""

    async def revoke(self, callback_id: CallbackId, *, by: str | None = None) -> Callback | None:
        """Revoke all links to a callback; return it with the serial of new links.

        `None` means that the callback does not exist. It works in every state, since a link also
        shows how a callback ended. The entry names the API key `by`, if any.
        """
        ...

    async def record_link(self, callback_id: CallbackId, facts: dict[str, object]) -> None:
        """Record in the audit trail that a link was created; ignore unknown callbacks."""
        ...


class WriteCheck(Protocol):
    """Whether the store accepts writes now."""

    async def check_write(self) -> None:
        """Commit a small write that leaves nothing behind.

        Raises:
            StoreUnavailableError: An answer could not be stored now; the message says why.
        """
        ...


class ChangeFeed(Protocol):
    """Changes that other processes make in the store."""

    async def subscribe(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """Call back for each commit of an answer or a verdict, until canceled.

        Best effort: changes may be missed while the database is away, so callers also poll. A store
        without notifications returns at once.
        """
        ...


class CallbackIndex(Protocol):
    """Lists for people.

    Callbacks in a list have no payloads: the task token, the heartbeat details and the bodies of
    the outcome and the default answer are `None`. Use `find` before you deliver or compare an
    outcome.
    """

    async def page(
        self, query: Query, *, after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """Return up to `limit` callbacks that match `query`, by ascending id, after `after`."""
        ...

    async def overdue(self, *, limit: int) -> Sequence[Callback]:
        """Return open callbacks whose deadline has passed, the longest overdue first."""
        ...

    async def audit_trail(self, callback_id: CallbackId) -> Sequence[AuditEntry]:
        """Return the audit trail of a callback, oldest entry first."""
        ...
