"""The contract of a SQL store for votes that several processes count concurrently.

No vote is lost or counted twice, and an outcome contains exactly the
votes that were counted.
"""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeAlias

from ringback.domain.assignment import Actor, change_details, reassign
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import MalformedRequestError, RingbackError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed, Failed
from ringback.domain.people_errors import NotAssignedError, VotedDifferentlyError
from ringback.domain.policy import Policy
from ringback.domain.vote import CountedVote, Vote, tally
from ringback.store.sql_store import SqlStore
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import SECOND
from tests.people import ballot, person

MANY: Final = 8
USERS: Final = ("user:ada", "user:bob", "user:cy")
TWO_OF_THREE: Final = Policy(assignees=USERS, approvals=2)
DEFAULT: Final = Completed(b'{"approved": false, "is_default": true}')

Act: TypeAlias = Callable[[SqlStore, CallbackId], Awaitable[object]]


def says(user: str, *, approved: bool = True, **more: Any) -> Act:
    async def vote(store: SqlStore, to: CallbackId) -> object:
        (result,) = await store.vote([ballot(to, user, approved=approved, **more)])
        return result

    return vote


def withdraws(user: str) -> Act:
    return lambda store, of: store.withdraw(of, person(user))


async def changes_details(store: SqlStore, of: CallbackId) -> object:
    return await store.change(
        of, lambda one, votes: change_details(one, votes, {"euros": 11}), by={"by": "operator"}
    )


def reassigns(*assignees: str) -> Act:
    actor = Actor(person("operator"), is_operator=True)

    async def change(store: SqlStore, of: CallbackId) -> object:
        try:
            return await store.change(
                of, lambda one, votes: reassign(one, votes, assignees, actor=actor), by={}
            )
        except MalformedRequestError as exc:
            return exc

    return change


async def takes_default(store: SqlStore, of: CallbackId) -> object:
    return await store.accept_defaults([of], factories.outcome_id)


async def expires(store: SqlStore, of: CallbackId) -> object:
    callback = (await store.find([of]))[of]
    await store.expire([factories.expiry(callback, "timed out")])
    return None


async def race(
    stores: Sequence[SqlStore], policy: Policy, *acts: Act, **options: Any
) -> list[tuple[Callback, list[object]]]:
    """Do all of `acts` to several callbacks at once; return how each ended, and the results."""
    requests = [factories.request(policy=policy, **options) for _ in range(MANY)]
    ids = [callback.id for callback in await stores[0].open(requests)]
    jobs = [(id_, number) for id_ in ids for number in range(len(acts))]
    random.shuffle(jobs)

    done = await asyncio.gather(
        *(acts[number](random.choice(stores), id_) for id_, number in jobs)  # noqa: S311 - no secret
    )

    by_job = dict(zip(jobs, done, strict=True))
    found = await stores[0].find(ids)
    raced = []
    for id_ in ids:
        results = [by_job[id_, number] for number in range(len(acts))]
        await check_votes(stores[0], found[id_], results)
        raced.append((found[id_], results))
    return raced


async def check_votes(store: SqlStore, callback: Callback, results: Sequence[object]) -> None:
    """Check that no vote was lost or counted twice, whatever else happened."""
    votes = (await store.votes([callback.id])).get(callback.id, ())
    counted = [one for one in results if isinstance(one, CountedVote) and not one.is_duplicate]
    entries = await store.audit_trail(callback.id)
    voted = [str(one.facts["user"]) for one in entries if one.kind is AuditKind.VOTED]
    withdrawn = [str(one.facts["user"]) for one in entries if one.kind is AuditKind.VOTE_WITHDRAWN]
    removed = [name for entry in entries for name in _removed_by(entry.facts)]
    users = [vote.user for vote in votes]
    assert sorted(voted) == sorted(one.vote.user for one in counted)
    assert sorted(voted) == sorted([*users, *withdrawn, *removed])
    assert len(set(users)) == len(users)
    assert all(vote in [one.vote for one in counted] for vote in votes)
    assert {vote.digest for vote in votes} <= {callback.subject.digest}
    ends = [one for one in entries if one.kind is AuditKind.ACCEPTED]
    assert len(ends) == (callback.accepted is not None)
    check_decision(callback, votes, [one.outcome for one in counted if one.outcome is not None])


def check_decision(
    callback: Callback, votes: Sequence[Vote], outcomes: Sequence[Completed | Failed]
) -> None:
    """Check that these votes decide if one of them did, and that the outcome has them all."""
    accepted, policy = callback.accepted, callback.options.policy
    assert policy is not None
    is_approved = tally(policy, votes).is_approved
    if accepted is None or accepted.is_default:
        assert (is_approved, outcomes) == (None, [])
        return
    assert outcomes == [accepted.outcome]
    decision = decision_of(callback)
    assert decision is not None
    assert decision["approved"] is is_approved
    assert sorted(vote["by"] for vote in decision["votes"]) == sorted(one.user for one in votes)


def _removed_by(facts: dict[str, object]) -> list[str]:
    names = facts.get("removed_votes", [])
    assert isinstance(names, list)
    return names


def decision_of(callback: Callback) -> dict[str, Any] | None:
    accepted = callback.accepted
    if accepted is None or not isinstance(accepted.outcome, Completed):
        return None
    decision = json.loads(accepted.outcome.result or b"")
    assert isinstance(decision, dict)
    return decision


class ConcurrentVotesContract:
    """The fixture `stores` is four stores on one database, dated by `clock`.

    Each round races `MANY` times; `make test-rest` runs 25 rounds: 200 races.
    """

    rounds = 5

    async def test_concurrent_votes_at_the_quorum_decide_once(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(self.rounds):
            acts = [says(user) for user in ("ada", "bob", "cy", "dan")]

            for callback, results in await race(stores, TWO_OF_THREE, *acts):
                assert callback.state is State.ACCEPTED
                assert sum(isinstance(one, CountedVote) for one in results) == 2
                assert isinstance(results[3], NotAssignedError | None)

    async def test_vote_sent_several_times_at_once_counts_once(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(self.rounds):
            acts = [says("ada"), says("Ada"), says("ADA"), says("ada", approved=False)]
            policy = Policy(assignees=USERS, approvals=2, veto=False)

            for callback, results in await race(stores, policy, *acts):
                assert callback.state is State.OPEN
                different = [one for one in results if isinstance(one, VotedDifferentlyError)]
                duplicates = [
                    one for one in results if isinstance(one, CountedVote) and one.is_duplicate
                ]
                assert len(different) + len(duplicates) == 3

    async def test_approval_races_rejection_and_one_decides(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(self.rounds):
            acts = [says("ada"), says("bob", approved=False)]

            for callback, results in await race(stores, Policy(), *acts):
                yes, no = results
                (won,) = [one for one in (yes, no) if isinstance(one, CountedVote)]
                assert (yes is None) is not (no is None)
                assert callback.accepted is not None
                assert callback.accepted.outcome == won.outcome

    async def test_majority_of_both_sides_decides_once(self, stores: Sequence[SqlStore]) -> None:
        users = tuple(f"user:{number}" for number in range(6))
        policy = Policy(assignees=users, approvals=3, veto=False)
        for _ in range(self.rounds):
            acts = [says(str(number), approved=number % 2 == 0) for number in range(6)]

            for callback, _results in await race(stores, policy, *acts):
                decision = decision_of(callback)
                if decision is not None:
                    said = [vote["approved"] for vote in decision["votes"]]
                    needed = 3 if decision["approved"] else 4
                    assert said.count(decision["approved"]) == needed

    async def test_vote_races_withdrawal(self, stores: Sequence[SqlStore]) -> None:
        for _ in range(self.rounds):
            acts = [says("ada"), withdraws("ada"), says("bob"), withdraws("bob")]

            for callback, results in await race(stores, TWO_OF_THREE, *acts):
                withdrawn = [one for one in (results[1], results[3]) if one is not None]
                assert not (withdrawn and callback.state is not State.OPEN)

    async def test_retries_of_a_vote_race_its_withdrawal(self, stores: Sequence[SqlStore]) -> None:
        for _ in range(self.rounds):
            acts = [*[says("ada")] * 3, withdraws("ada"), *[says("ada", ballot=1)] * 2]

            for _callback, results in await race(stores, TWO_OF_THREE, *acts):
                # Once for each ballot: a retry that comes after the withdrawal is refused.
                for sent in (results[:3], results[4:]):
                    counted = [one for one in sent if isinstance(one, CountedVote)]
                    assert sum(not one.is_duplicate for one in counted) <= 1

    async def test_vote_races_reassignment(self, stores: Sequence[SqlStore]) -> None:
        for _ in range(self.rounds):
            acts = [says("ada"), says("bob"), reassigns("user:bob", "user:cy")]

            for callback, results in await race(stores, TWO_OF_THREE, *acts):
                # The second vote decides, and a closed question is not reassigned.
                is_reassigned = isinstance(results[2], Callback)
                assert is_reassigned is (callback.state is State.OPEN)
                policy = callback.options.policy
                assert policy is not None
                assert ("user:ada" in policy.assignees) is not is_reassigned

    async def test_vote_races_change_of_the_subject(self, stores: Sequence[SqlStore]) -> None:
        for _ in range(self.rounds):
            acts = [says("ada"), changes_details, says("bob")]

            for callback, results in await race(stores, TWO_OF_THREE, *acts):
                # A closed question is not changed; one that was changed may be decided after it.
                is_changed = isinstance(results[1], Callback)
                assert is_changed or callback.state is State.ACCEPTED
                assert callback.options.details == ({"euros": 11} if is_changed else {})

    async def test_vote_races_default_answer_and_the_end(
        self, stores: Sequence[SqlStore], clock: ManualClock
    ) -> None:
        ends = []
        for _ in range(self.rounds):
            # It is due as soon as it is open: the deadline has passed when the race begins.
            acts = [says("ada"), takes_default, says("bob"), expires, withdraws("ada")]
            clock.advance(SECOND)

            raced = await race(
                stores, TWO_OF_THREE, *acts, attempt_timeout_at=clock.now(), on_deadline=DEFAULT
            )

            for callback, results in raced:
                accepted = callback.accepted
                assert callback.state in {State.ACCEPTED, State.EXPIRED}
                assert (results[1] == [callback.id]) is (
                    accepted is not None and accepted.is_default
                )
                ends.append("expired" if accepted is None else accepted.is_default)
        # The people, the default answer and the end of the activity have each won some.
        assert set(ends) == {True, False, "expired"}

    async def test_many_votes_of_one_batch_race_another_batch(
        self, stores: Sequence[SqlStore]
    ) -> None:
        for _ in range(self.rounds):
            requests = [factories.request(policy=TWO_OF_THREE) for _ in range(MANY)]
            ids = [callback.id for callback in await stores[0].open(requests)]
            batches = [
                [ballot(id_, user) for id_ in random.sample(ids, MANY) for user in users]
                for users in (("ada", "bob"), ("cy", "ada"), ("bob", "cy", "bob"))
            ]

            replies = await asyncio.gather(
                *(store.vote(batch) for store, batch in zip(stores[1:], batches, strict=True))
            )

            by_id: dict[CallbackId, list[CountedVote | RingbackError | None]] = {}
            for batch, results in zip(batches, replies, strict=True):
                for request, result in zip(batch, results, strict=True):
                    by_id.setdefault(request.callback_id, []).append(result)
            for id_, callback in (await stores[0].find(ids)).items():
                assert callback.state is State.ACCEPTED
                await check_votes(stores[0], callback, by_id[id_])
