"""The store: callbacks, their outcomes and what happened to them.

Every method takes and returns many at once and is one transaction: one commit for many answers is
what makes it fast. What tells how things ended (`expire`, `settle`, `postpone`) may be thousands:
it is kept in parts, each a transaction of its own. What is returned is durable. The store's own
clock dates everything, so the clocks of the machines that use it do not matter; callers pass
durations, never instants.

All methods raise `StoreUnavailableError` when the database cannot be reached or cannot write; then
nothing of the call was kept.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from ringback.domain.callback import Callback, State
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.opening import OpenRequest
from ringback.domain.outcome import Outcome
from ringback.domain.query import Query
from ringback.domain.terms import Terms


@dataclass(frozen=True, slots=True)
class Answer:
    """An outcome that somebody outside gave to one callback.

    Attributes:
        callback_id: The callback.
        id: The id that the outcome gets if it wins.
        outcome: The outcome.
        link_serial: The serial of the link that it came with; `None` if it came without a link.
    """

    callback_id: CallbackId
    id: OutcomeId
    outcome: Outcome
    link_serial: int | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """How an accepted outcome ended.

    Attributes:
        callback_id: The callback.
        tries: `Accepted.tries` as it was judged: once another try has begun, it counts no more.
        verdict: One of `ringback.domain.callback.VERDICTS`.
        proof: What shows it, by name, as plain JSON.
    """

    callback_id: CallbackId
    tries: int
    verdict: State
    proof: dict[str, object]


@dataclass(frozen=True, slots=True)
class Postponement:
    """A delivery that did not end and is to be tried again.

    Attributes:
        callback_id: The callback.
        tries: `Accepted.tries` of the try that did not end: once another has begun, this is void.
        wait: How long nobody tries.
        reason: Why it did not end.
        is_not_applied: Temporal has shown that no delivery so far had an effect.
    """

    callback_id: CallbackId
    tries: int
    wait: timedelta
    reason: str
    is_not_applied: bool = False


@dataclass(frozen=True, slots=True)
class Expiry:
    """That nobody waits for a callback's answer any more.

    Attributes:
        callback_id: The callback.
        attempt_started_at: `Callback.attempt_started_at` as it was judged: once a later attempt
            has asked, it is void.
        reason: What ended the activity, in a sentence.
    """

    callback_id: CallbackId
    attempt_started_at: datetime
    reason: str


MAX_EVIDENCE: Final = 20
EVIDENCE_BYTES: Final = 16 * 1024


class CallbackStore(Protocol):
    """What asking and answering need."""

    async def open(self, requests: Sequence[OpenRequest]) -> Sequence[Callback]:
        """Find or make the callback of each wish, in their order.

        An activity has one callback over all its attempts; a new one is made only when the question
        of the latest one is settled (`ringback.domain.opening.needs_new_callback`). An open one
        that a new one replaces expires. What a later attempt asks with (its number, start, token,
        timeout and, after a reset, its run) replaces what the one before had.
        """
        ...

    async def mark_submitted(self, callback_ids: Sequence[CallbackId]) -> None:
        """Keep that the user's submit has returned. The first time counts."""
        ...

    async def terms(self, callback_ids: Sequence[CallbackId]) -> Mapping[CallbackId, Terms]:
        """Return the terms of those of the callbacks that exist. They never change."""
        ...

    async def accept(self, answers: Sequence[Answer]) -> Sequence[datetime | None]:
        """Store each answer that is the first for its callback.

        The callback must be open, and the answer's link must not be revoked; both hold until the
        commit.

        Returns, for each answer in order, when it was accepted; `None` if it was not.
        """
        ...

    async def store_evidence(self, answers: Sequence[Answer]) -> None:
        """Keep answers that differ from their callback's outcome in the audit trail.

        The first `MAX_EVIDENCE` of a callback are kept, each with `EVIDENCE_BYTES` of its body.
        """
        ...

    async def expire(self, expiries: Sequence[Expiry]) -> None:
        """Close callbacks that were never answered and no longer can be; others are left alone."""
        ...

    async def find(self, callback_ids: Sequence[CallbackId]) -> Mapping[CallbackId, Callback]:
        """Return those of the callbacks that exist.

        Raises:
            UnreadableCallbackError: The row of one cannot be read; see what `claim` does.
        """
        ...

    async def schemas(self, schema_ids: Sequence[str]) -> Mapping[str, str]:
        """Return the texts of result schemas, by `Callback.schema_id`."""
        ...


class DeliveryQueue(Protocol):
    """What bringing outcomes to Temporal needs."""

    async def claim(self, owner: str, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """Take callbacks whose outcome is due, oldest first.

        Nobody else gets them while the lease lasts; each claim counts as a try, and what it may
        have done to the attempt that asked last is unproven (`Accepted.unconfirmed_attempt` and
        `unconfirmed_started_at`, which keep the first such attempt) until it is settled or
        postponed as untaken; from then on that attempt is known not to have ended with it.
        """
        ...

    async def release(self, owner: str) -> None:
        """Give back all that `owner` has claimed and not ended: it stops."""
        ...

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        """Give claimed outcomes back, to be tried again later.

        One that is untaken counts as a try, so that what was judged before it is void.
        """
        ...

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Keep verdicts with their proof.

        The first verdict of an outcome counts, and none that was found in an earlier try than the
        latest: who stood still meanwhile knows too little.
        """
        ...

    async def next_due(self) -> timedelta | None:
        """Return how long until an outcome is due; `None` if none is waiting."""
        ...

    async def deliver_inline(
        self,
        callback_id: CallbackId,
        *,
        worker: str,
        attempt_started_at: datetime,
        lease: timedelta,
    ) -> bool:
        """Give the accepted outcome to an attempt that is about to return or raise it.

        It counts as a try. For the length of `lease` nobody delivers it; whether the attempt ends
        with it is unproven. Returns whether it was given: not while somebody delivers it, not while
        it is parked, and not to any attempt but the one that asked last.
        """
        ...

    async def redeliver(self, callback_id: CallbackId) -> bool:
        """Make a parked outcome due again, with all that is unproven of it taken as untaken.

        Returns whether it was parked.
        """
        ...


class Links(Protocol):
    """What revoking links needs."""

    async def revoke(self, callback_id: CallbackId, *, by: str | None = None) -> Callback | None:
        """Let none of the links that a callback has so far be good any more.

        The event names whose API key asked for it, `by`, if one did.

        Return the callback as it stands then, with a new serial for new links; `None` if there is
        none. It can be done in every state: a link also tells how a callback ended.
        """
        ...

    async def record_link(self, callback_id: CallbackId, facts: dict[str, object]) -> None:
        """Keep in the trail of a callback that a link to it was made; nothing if there is none."""
        ...


class WriteCheck(Protocol):
    """Whether the store accepts writes now."""

    async def check_write(self) -> None:
        """Commit a tiny write that leaves nothing behind.

        Raises:
            StoreUnavailableError: An answer could not be stored now; the message says why.
        """
        ...


class ChangeFeed(Protocol):
    """What other processes did in the store, told as it happens."""

    async def subscribe(
        self,
        *,
        on_accepted: Callable[[], None],
        on_settled: Callable[[Sequence[CallbackId]], None],
    ) -> None:
        """Call back for each commit of an answer or a verdict, until canceled.

        Best effort: news may be lost while the database is away, so a poll stays, a slow one. A
        store that cannot tell returns at once.
        """
        ...


class CallbackIndex(Protocol):
    """What people who look need.

    A list shows no bodies, and none are read for it: of what it holds, the task token, the details
    of heartbeats, the body of the default answer and that of the outcome are `None`. Nothing may
    be delivered, or told apart from another answer, by a callback from a list: `find` it.
    """

    async def page(
        self, query: Query, *, after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """Return up to `limit` callbacks that `query` asks for, by ascending id, behind `after`."""
        ...

    async def overdue(self, *, limit: int) -> Sequence[Callback]:
        """Return open callbacks whose deadline has passed, the longest overdue first."""
        ...

    async def events(self, callback_id: CallbackId) -> Sequence[Event]:
        """Return what happened to a callback, oldest first."""
        ...
