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
from ringback.domain.callback import MOVES, Callback, State
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.opening import OpenRequest
from ringback.domain.outcome import Outcome
from ringback.domain.terms import Terms


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


NOT_ENDED: Final = frozenset(state for state, moves in MOVES.items() if moves)
"""The states of callbacks that still wait: for an answer, for Temporal, or for a person."""


@dataclass(frozen=True, slots=True)
class CallbackQuery:
    """Filters that a callback must all match; `None` matches everything.

    Attributes:
        states: Any of these states.
        workflow_id: The workflow of the activity.
        workflow_type: The type of that workflow.
        activity_type: The type of the activity.
        tag: One of the callback's tags.
        alias: One of the callback's aliases; it finds ended callbacks too if their state matches.
        opened_after: Opened then or later, by the store's clock.
        opened_before: Opened before then.
        older_than: Opened at least this long ago.
        is_overdue: Whether only unanswered callbacks past their deadline match.
    """

    states: frozenset[State] = NOT_ENDED
    workflow_id: str | None = None
    workflow_type: str | None = None
    activity_type: str | None = None
    tag: str | None = None
    alias: str | None = None
    opened_after: datetime | None = None
    opened_before: datetime | None = None
    older_than: timedelta | None = None
    is_overdue: bool = False


class CallbackIndex(Protocol):
    """Lists for people.

    Callbacks in a list have no payloads: the task token, the heartbeat details and the bodies of
    the outcome and the default answer are `None`. Use `find` before you deliver or compare an
    outcome.
    """

    async def page(
        self, query: CallbackQuery, *, after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """Return up to `limit` callbacks that match `query`, by ascending id, after `after`."""
        ...

    async def overdue(self, *, limit: int) -> Sequence[Callback]:
        """Return open callbacks whose deadline has passed, the longest overdue first."""
        ...

    async def audit_trail(self, callback_id: CallbackId) -> Sequence[AuditEntry]:
        """Return the audit trail of a callback, oldest entry first."""
        ...
