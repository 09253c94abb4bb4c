"""People decide, as a state machine: its model counts votes by itself.

Replies get lost after the commit, gateways are replaced, and whatever can change in between does.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ringback.core.receipt import Receipt
from ringback.core.services import caught, run_services
from ringback.core.validation import AnswerValidator
from ringback.core.votes import VoteService
from ringback.domain.assignment import Actor
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    ExpiredCallbackError,
    MalformedRequestError,
    RingbackError,
    StoreUnavailableError,
)
from ringback.domain.opening import OpenRequest
from ringback.domain.outcome import Completed
from ringback.domain.people_errors import (
    ClaimedError,
    NotAssignedError,
    SubjectChangedError,
    VotedDifferentlyError,
    VoteWithdrawnError,
)
from ringback.domain.policy import Policy
from ringback.domain.vote import CountedVote, VoteRequest
from ringback.store.sql_store import SqlStore
from ringback.testing import ExactResults, FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.people import person

T = TypeVar("T")

USERS: Final = ("ada", "bob", "cy", "dan")
USER: Final = st.sampled_from(USERS)
SOME: Final = st.sampled_from([USERS, USERS[:3], USERS[1:], USERS[:2], USERS[2:]])
RARELY: Final = st.sampled_from([False, False, False, True])
DEADLINE: Final = timedelta(hours=1)
DEFAULT: Final = Completed(b'{"approved": false, "is_default": true}')


class Forgetful(SqlStore):
    """A store that can lose the reply to a commit."""

    loses_reply = False

    async def vote(
        self, requests: Sequence[VoteRequest]
    ) -> Sequence[CountedVote | RingbackError | None]:
        counted = await super().vote(requests)
        if self.loses_reply:
            msg = "the reply was lost"
            raise StoreUnavailableError(msg)
        return counted


@dataclass
class Model:
    """What should be true, counted without Ringback's rules.

    Attributes:
        assigned: Who may vote, and is not excluded.
        excluded: Who may not.
        needed: How many must approve.
        veto: Whether one rejection rejects.
        votes: The votes that count.
        withdrawn: How many votes of each user were withdrawn, or removed by a reassignment.
        claimant: Who has claimed it.
        details: The subject's details.
        decision: What was decided; `None` while it is open, and after its default answer.
        is_closed: Whether it is decided or took its default answer.
        counted: How many votes were counted for each user, and how many were taken away.
    """

    assigned: set[str]
    excluded: set[str]
    needed: int
    veto: bool
    votes: dict[str, bool] = field(default_factory=dict)
    withdrawn: Counter[str] = field(default_factory=Counter)
    claimant: str | None = None
    details: dict[str, object] = field(default_factory=dict)
    decision: bool | None = None
    is_closed: bool = False
    counted: int = 0

    def why_not(self, user: str) -> type[RingbackError] | None:
        """Return why a vote of `user` cannot count; the last check is that of the claim."""
        if user in self.excluded or user not in self.assigned:
            return NotAssignedError
        if self.claimant not in {None, user}:
            return ClaimedError
        return None

    def vote(self, user: str, *, approved: bool) -> None:
        """Count a vote."""
        self.votes[user] = approved
        self.counted += 1
        said = list(self.votes.values())
        able = len(self.assigned - self.excluded)
        if said.count(True) >= self.needed:
            self.decision = True
        elif said.count(False) >= (1 if self.veto else able - self.needed + 1):
            self.decision = False
        self.is_closed = self.decision is not None


class Decisions(RuleBasedStateMachine):
    """A rule for everything that people, operators and gateways may do to one question."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.database = InMemoryDatabase(self.clock)
        self.store = Forgetful(self.database)
        self.request: OpenRequest | None = None
        self.model: Model | None = None
        self.seen: list[str] = []

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def call(self, name: str, *args: Any, **more: Any) -> Any:
        """Call a gateway that has just started; return what it raises."""
        assert self.request is not None
        callback_id = self.request.id

        async def called() -> Any:
            checks = AnswerValidator(self.store, FakeActivities(), ExactResults())
            votes = VoteService(
                self.store, checks, new_outcome_id=factories.outcome_id, on_accepted=lambda: None
            )
            async with run_services(checks, votes):
                return await caught(getattr(votes, name)(callback_id, *args, **more))

        return self.run(called())

    @property
    def callback(self) -> Callback:
        assert self.request is not None
        found: Callback = self.run(self.store.find([self.request.id]))[self.request.id]
        return found

    @property
    def truth(self) -> Model:
        assert self.model is not None
        return self.model

    def is_open(self) -> bool:
        return self.model is not None and not self.model.is_closed

    @initialize(assigned=SOME, needed=st.integers(1, 4), excludes=RARELY, veto=RARELY)
    def open(self, assigned: Sequence[str], needed: int, *, excludes: bool, veto: bool) -> None:
        excluded = {USERS[1]} if excludes else set()
        needed = min(needed, len(set(assigned) - excluded))
        policy = Policy(
            assignees=tuple(f"user:{user}" for user in assigned),
            exclude=tuple(excluded),
            approvals=needed,
            veto=veto,
        )
        self.request = factories.request(
            policy=policy, details={"n": 0}, deadline=DEADLINE, on_deadline=DEFAULT
        )
        self.run(self.store.open([self.request]))
        self.model = Model(set(assigned), excluded, needed, veto, details={"n": 0})
        self.seen = [self.callback.subject.digest]

    @precondition(lambda self: self.truth.is_closed)
    @rule(assigned=SOME, needed=st.integers(1, 4), excludes=RARELY, veto=RARELY)
    def open_next(
        self, assigned: Sequence[str], needed: int, *, excludes: bool, veto: bool
    ) -> None:
        self.open(assigned, needed, excludes=excludes, veto=veto)

    @rule(
        user=USER,
        approved=st.booleans(),
        is_stale=RARELY,
        loses=RARELY,
        is_loud=st.booleans(),
        is_late=RARELY,
    )
    def vote(
        self,
        user: str,
        *,
        approved: bool,
        is_stale: bool,
        loses: bool,
        is_loud: bool,
        is_late: bool = False,
    ) -> None:
        digest = self.seen[0] if is_stale else self.seen[-1]
        # A late retry repeats the first ballot of this person.
        ballot = 0 if is_late else self.truth.withdrawn[user]
        expected = self.expect(
            user, approved=approved, is_current=digest == self.seen[-1], ballot=ballot
        )
        self.store.loses_reply = loses
        voter = person(user.upper() if is_loud else user)
        said = {"approved": approved, "digest": digest, "ballot": ballot}
        result = self.call("vote", voter, **said)
        self.store.loses_reply = False
        if loses and isinstance(result, StoreUnavailableError):
            # The same vote again, at another gateway: it was counted, or is refused now.
            is_repeated = expected == (State.OPEN, False)
            result = self.call("vote", voter, **said)
            if is_repeated or expected == (State.ACCEPTED, False):
                expected = (expected[0], True)
        got = (result.state, result.is_duplicate) if isinstance(result, Receipt) else type(result)
        assert got == expected, f"{user} got {result!r} instead of {expected}"

    @precondition(is_open)
    @rule(user=USER, approved=st.booleans())
    def vote_plainly(self, user: str, *, approved: bool) -> None:
        self.vote(user, approved=approved, is_stale=False, loses=False, is_loud=False)

    @precondition(is_open)
    @rule(users=st.permutations(USERS), approved=st.booleans())
    def vote_one_after_another(self, users: list[str], *, approved: bool) -> None:
        for user in users[:2]:
            self.vote_plainly(user, approved=approved)

    def expect(self, user: str, *, approved: bool, is_current: bool, ballot: int) -> Any:
        """Return the state and whether it is a duplicate, or the error; count it."""
        truth = self.truth
        if user in truth.excluded or user not in truth.assigned:
            return NotAssignedError
        if truth.is_closed:
            if truth.decision is None:
                return ExpiredCallbackError
            is_same = truth.votes.get(user) is approved
            return (State.ACCEPTED, True) if is_same else AnsweredDifferentlyError
        if not is_current:
            return SubjectChangedError
        if user in truth.votes:
            return (State.OPEN, True) if truth.votes[user] is approved else VotedDifferentlyError
        if ballot < truth.withdrawn[user]:
            return VoteWithdrawnError
        if (why := truth.why_not(user)) is not None:
            return why
        truth.vote(user, approved=approved)
        return (State.ACCEPTED if truth.is_closed else State.OPEN, False)

    @precondition(lambda self: self.truth.votes)
    @rule(user=USER, is_late=RARELY)
    def withdraw(self, user: str, *, is_late: bool) -> None:
        truth = self.truth
        ballot = 0 if is_late else truth.withdrawn[user]
        result = self.call("withdraw", person(user.title()), ballot=ballot)
        if truth.is_closed:
            assert isinstance(result, ExpiredCallbackError)
        elif ballot == truth.withdrawn[user] and truth.votes.pop(user, None) is not None:
            truth.withdrawn[user] += 1

    @precondition(lambda self: self.is_open() or len(self.seen) == 1)
    @rule(n=st.integers(0, 2))
    def change_details(self, n: int) -> None:
        result = self.call("change_details", {"n": n}, Actor(person("op"), is_operator=True))
        if self.truth.is_closed:
            assert isinstance(result, ExpiredCallbackError)
        elif self.truth.details != {"n": n}:
            self.truth.details = {"n": n}
            self.truth.votes.clear()
            self.seen.append(self.callback.subject.digest)

    @precondition(lambda self: self.is_open() or len(self.seen) == 1)
    @rule(assigned=st.sampled_from([*[USERS] * 2, USERS[:3], USERS[1:], USERS[2:], ()]))
    def reassign(self, assigned: Sequence[str]) -> None:
        truth, assigned_ = self.truth, set(assigned)
        names = [f"user:{user}" for user in assigned]
        result = self.call("reassign", names, Actor(person("op"), is_operator=True))
        if truth.is_closed:
            assert isinstance(result, ExpiredCallbackError)
            return
        able = assigned_ - truth.excluded
        left = {user: vote for user, vote in truth.votes.items() if user in able}
        rejections = 1 if truth.veto else len(able) - truth.needed + 1
        said = list(left.values())
        would_decide = said.count(True) >= truth.needed or said.count(False) >= rejections
        is_same = assigned_ == truth.assigned
        is_refused = not assigned_ or truth.needed > len(able) or (would_decide and not is_same)
        assert isinstance(result, MalformedRequestError) is is_refused, result
        if not is_refused and not is_same:
            truth.withdrawn.update(truth.votes.keys() - left.keys())
            truth.assigned, truth.votes, truth.claimant = assigned_, left, None

    @precondition(lambda self: self.is_open() or self.truth.claimant is not None)
    @rule(user=USER)
    def claim(self, user: str) -> None:
        truth = self.truth
        result = self.call("claim", Actor(person(user)))
        if truth.is_closed:
            assert isinstance(result, ExpiredCallbackError)
        elif truth.needed > 1:
            assert isinstance(result, MalformedRequestError)
        elif (why := truth.why_not(user)) is not None:
            assert type(result) is why
        else:
            truth.claimant = user

    @precondition(lambda self: self.is_open() and self.truth.claimant is not None)
    @rule()
    def release(self) -> None:
        result = self.call("release", Actor(person("op"), is_operator=True))
        assert isinstance(result, Callback)
        self.truth.claimant = None

    @precondition(is_open)
    @rule()
    def start_next_attempt(self) -> None:
        assert self.request is not None
        later = factories.request(
            ref=self.request.attempt.ref, attempt=self.callback.attempt + 1, details={"n": 9}
        )
        (callback,) = self.run(self.store.open([later]))
        assert callback.id == self.request.id

    @precondition(lambda self: self.is_open() and self.truth.counted > 1)
    @rule()
    def take_default(self) -> None:
        self.clock.advance(DEADLINE)
        taken = self.run(self.store.accept_defaults([self.callback.id], factories.outcome_id))
        assert taken == [self.callback.id]
        self.truth.is_closed = True

    @precondition(lambda self: self.model is not None)
    @invariant()
    def votes_are_those_of_the_model(self) -> None:
        callback, truth = self.callback, self.truth
        votes = self.run(self.store.votes([callback.id])).get(callback.id, ())
        assert {vote.user.casefold(): vote.approved for vote in votes} == truth.votes
        assert {vote.digest for vote in votes} <= {callback.subject.digest}
        assert (callback.state is State.OPEN) is not truth.is_closed
        assert callback.options.details == truth.details
        entries = self.run(self.store.audit_trail(callback.id))
        assert [one.kind for one in entries].count(AuditKind.VOTED) == truth.counted
        assert [one.kind for one in entries].count(AuditKind.ACCEPTED) == truth.is_closed
        if callback.accepted is not None:
            assert isinstance(callback.accepted.outcome, Completed)
            decision = json.loads(callback.accepted.outcome.result or b"")
            if truth.decision is None:
                assert decision == json.loads(DEFAULT.result or b"")
            else:
                by = {one["by"].casefold(): one["approved"] for one in decision["votes"]}
                assert (decision["approved"], by) == (truth.decision, truth.votes)
                assert len(decision["votes"]) == len(truth.votes)

    def teardown(self) -> None:
        self.run(self.database.close())
        self.loop.close()
