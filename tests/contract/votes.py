"""The contract of every store for votes, and for changes to open questions."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from ringback.domain.assignment import Actor, Change, change_details, claim, reassign
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import RingbackError, UnknownCallbackError, UnreadableCallbackError
from ringback.domain.inbox import inboxes_of
from ringback.domain.options import HeartbeatBy
from ringback.domain.outcome import Completed, Failed
from ringback.domain.people_errors import (
    ClaimedError,
    NotAssignedError,
    SubjectChangedError,
    VotedDifferentlyError,
    VoteWithdrawnError,
    WrongVoteError,
)
from ringback.domain.policy import OnReject, Policy, Proof, RequireReason, Voter
from ringback.domain.vote import CountedVote, Vote, VoteRequest
from ringback.ports.votes import Rule
from ringback.store.database import Database
from ringback.testing import ManualClock
from tests import factories
from tests.contract.stores import SECOND, Store, entries_of, found, in_state, kinds, outcome_of
from tests.people import BY_LINK, ballot, person

BOTH = Policy(assignees=("user:ada", "user:Bob", "group:Finance"), approvals=2)
OPERATOR: dict[str, object] = {"by": "key:k1"}


async def asked(store: Store, policy: Policy | None = BOTH, **options: Any) -> Callback:
    (callback,) = await store.open([factories.request(policy=policy, **options)])
    return callback


async def cast(store: Store, request: VoteRequest) -> CountedVote:
    (counted,) = await store.vote([request])
    assert isinstance(counted, CountedVote)
    return counted


async def votes_of(store: Store, callback: Callback) -> list[Vote]:
    return list((await store.votes([callback.id])).get(callback.id, ()))


def new_details(**details: object) -> Rule:
    return lambda callback, votes: change_details(callback, votes, details)


def to_people(*assignees: str) -> Rule:
    actor = Actor(person("an operator"), is_operator=True)
    return lambda callback, votes: reassign(callback, votes, assignees, actor=actor)


def claimed_by(user: str) -> Rule:
    return lambda callback, _: claim(callback, Actor(person(user)))


class VotesContract:
    async def test_vote_is_stored_exactly(self, store: Store, clock: ManualClock) -> None:
        callback = await asked(store)
        voter = Voter("Ada", frozenset({"Sales", "größe", "a\u202eb"}), Proof.CHAT, "U123")
        reason = "\u202e<script> 🎉 \t'\"\\"
        request = ballot(callback.id, voter, reason=reason, body=b'{ "n" : 1.10 }')

        counted = await cast(store, request)

        assert counted.outcome is None
        assert await votes_of(store, callback) == [
            Vote(
                user="Ada",
                groups=voter.groups,
                proof=Proof.CHAT,
                via="U123",
                approved=True,
                reason=reason,
                body=b'{ "n" : 1.10 }',
                digest=callback.subject.digest,
                at=clock.now(),
            )
        ]
        assert (await found(store, callback.id)).state is State.OPEN

    async def test_vote_that_decides_stores_the_outcome_with_every_vote(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await asked(store)
        await cast(store, ballot(callback.id, "ada"))
        clock.advance(SECOND)
        last = ballot(callback.id, person("Cy", "finance"), body=b'{"n": 1.10}')

        counted = await cast(store, last)

        accepted = outcome_of(await found(store, callback.id))
        assert (accepted.id, accepted.outcome) == (last.outcome_id, counted.outcome)
        assert isinstance(accepted.outcome, Completed)
        decision = json.loads(accepted.outcome.result or b"")
        assert (decision["approved"], decision["by"]) == (True, "Cy")
        assert [vote["by"] for vote in decision["votes"]] == ["ada", "Cy"]
        assert [vote.user for vote in await votes_of(store, callback)] == ["ada", "Cy"]
        recorded = await kinds(store, callback.id)
        assert recorded == [
            AuditKind.OPENED,
            AuditKind.VOTED,
            AuditKind.VOTED,
            AuditKind.ACCEPTED,
        ]

    async def test_deciding_vote_is_delivered_like_any_answer(self, store: Store) -> None:
        callback = await asked(store, Policy(on_reject=OnReject.FAIL))

        await cast(store, ballot(callback.id, "ada", approved=False))

        (claimed,) = await store.claim("me", limit=1, lease=timedelta(seconds=5))
        assert claimed.id == callback.id
        assert isinstance(outcome_of(claimed).outcome, Failed)

    async def test_deciding_vote_sends_the_webhook_of_an_answer(self, store: Store) -> None:
        callback = await asked(store, notify_url="https://outside.example/hook")
        await cast(store, ballot(callback.id, "ada"))
        assert await store.claim_webhooks(limit=5, lease=timedelta(seconds=5)) == []

        await cast(store, ballot(callback.id, "bob"))

        (webhook,) = await store.claim_webhooks(limit=5, lease=timedelta(seconds=5))
        assert (webhook.kind, webhook.facts["outcome"]) == (AuditKind.ACCEPTED, "completed")

    async def test_votes_of_one_batch_count_in_order(self, store: Store) -> None:
        callback = await asked(store, replace(BOTH, veto=False))
        other = await asked(store)
        await store.revoke(other.id)
        nobody, plain = factories.callback_id(), await asked(store, None)
        requests = [
            ballot(callback.id, "ada"),
            ballot(callback.id, "ADA"),
            ballot(callback.id, "ada", approved=False),
            ballot(callback.id, "dan"),
            ballot(nobody, "ada"),
            ballot(plain.id, "ada"),
            ballot(other.id, "ada", link_serial=other.link_serial),
            ballot(callback.id, "bob", digest="another"),
            ballot(callback.id, "bob", approved=False),
            ballot(callback.id, person("cy", "Finance")),
            ballot(callback.id, person("eve", "finance")),
            ballot(other.id, "ada"),
        ]

        results = await store.vote(requests)

        kinds_of = [
            type(one) if isinstance(one, RingbackError) else one is not None for one in results
        ]
        assert kinds_of == [
            True,
            True,
            VotedDifferentlyError,
            NotAssignedError,
            False,
            False,
            UnknownCallbackError,
            SubjectChangedError,
            True,
            True,
            False,
            True,
        ]
        duplicate, deciding = results[1], results[9]
        assert isinstance(duplicate, CountedVote)
        assert duplicate.is_duplicate
        assert isinstance(deciding, CountedVote)
        outcome = outcome_of(await found(store, callback.id)).outcome
        assert outcome == deciding.outcome
        assert [vote.user for vote in await votes_of(store, callback)] == ["ada", "bob", "cy"]
        assert len(await entries_of(store, callback.id, AuditKind.VOTED)) == 3

    @pytest.mark.parametrize("state", [one for one in State if one is not State.OPEN])
    async def test_closed_callback_counts_no_vote(self, store: Store, state: State) -> None:
        closed = await in_state(store, state)

        assert await store.vote([ballot(closed.id, "ada")]) == [None]
        assert await store.withdraw(closed.id, person("ada")) is None
        assert await store.change(closed.id, new_details(n=1), by=OPERATOR) is None
        assert await store.votes([closed.id]) == {}

    async def test_vote_by_revoked_link_is_not_counted(self, store: Store) -> None:
        callback = await asked(store, Policy())
        await store.revoke(callback.id)

        (old,), (new,) = [
            await store.vote([ballot(callback.id, BY_LINK, link_serial=serial)])
            for serial in (callback.link_serial, callback.link_serial + 1)
        ]

        assert isinstance(old, UnknownCallbackError)
        assert isinstance(new, CountedVote)

    async def test_default_answer_ends_it_whatever_was_voted(
        self, store: Store, clock: ManualClock
    ) -> None:
        default = Completed(b'{"approved": false, "is_default": true}')
        callback = await asked(store, deadline=SECOND, on_deadline=default)
        await cast(store, ballot(callback.id, "ada"))
        clock.advance(SECOND)

        assert await store.accept_defaults([callback.id], factories.outcome_id) == [callback.id]

        accepted = outcome_of(await found(store, callback.id))
        assert (accepted.outcome, accepted.is_default) == (default, True)
        assert await store.vote([ballot(callback.id, "bob")]) == [None]
        assert [vote.user for vote in await votes_of(store, callback)] == ["ada"]

    async def test_decision_leaves_no_default_answer(
        self, store: Store, clock: ManualClock
    ) -> None:
        callback = await asked(store, Policy(), deadline=SECOND, on_deadline=Completed(b"0"))
        await cast(store, ballot(callback.id, "ada"))
        clock.advance(SECOND)

        assert await store.accept_defaults([callback.id], factories.outcome_id) == []
        assert await store.next_default() is None

    async def test_withdrawn_vote_can_be_given_again(self, store: Store) -> None:
        callback = await asked(store)
        first = (await cast(store, ballot(callback.id, "Ada"))).vote

        assert await store.withdraw(callback.id, person("aDA")) == first
        assert await store.withdraw(callback.id, person("ada")) is None

        assert await store.votes([callback.id]) == {}
        again = (await found(store, callback.id)).ballot_of("ADA")
        await cast(store, ballot(callback.id, "ada", reason="after all", ballot=again))
        assert [vote.reason for vote in await votes_of(store, callback)] == ["after all"]
        assert await kinds(store, callback.id) == [
            AuditKind.OPENED,
            AuditKind.VOTED,
            AuditKind.VOTE_WITHDRAWN,
            AuditKind.VOTED,
        ]

    async def test_late_retry_of_a_withdrawn_vote_is_not_counted(self, store: Store) -> None:
        callback = await asked(store)
        first, later = ballot(callback.id, "Ada"), ballot(callback.id, "ada", ballot=1)
        (too_early,) = await store.vote([later])
        await cast(store, first)
        await store.withdraw(callback.id, person("ada"))

        (late,) = await store.vote([replace(first, outcome_id=factories.outcome_id())])
        counted = await cast(store, later)
        (repeated,) = await store.vote([later])
        is_withdrawn_again = await store.withdraw(callback.id, person("ada"), ballot=0)

        assert isinstance(too_early, WrongVoteError)
        assert isinstance(late, VoteWithdrawnError)
        assert late.ballot == 1
        assert (counted.is_duplicate, is_withdrawn_again) == (False, None)
        assert isinstance(repeated, CountedVote)
        assert repeated.is_duplicate
        assert [vote.user for vote in await votes_of(store, callback)] == ["ada"]
        assert (await found(store, callback.id)).ballots == {"ada": 1}

    async def test_late_retry_of_a_vote_removed_by_reassignment_is_not_counted(
        self, store: Store
    ) -> None:
        callback = await asked(store)
        first = ballot(callback.id, "Ada")
        await cast(store, first)
        await store.change(callback.id, to_people("user:bob", "user:cy"), by=OPERATOR)
        await store.change(callback.id, to_people("user:bob", "user:ada"), by=OPERATOR)

        (late,) = await store.vote([replace(first, outcome_id=factories.outcome_id())])
        counted = await cast(store, replace(first, ballot=1))

        assert isinstance(late, VoteWithdrawnError)
        assert (late.ballot, counted.is_duplicate) == (1, False)
        assert (await found(store, callback.id)).ballots == {"ada": 1}

    async def test_vote_after_the_decision_is_not_withdrawn(self, store: Store) -> None:
        callback = await asked(store, Policy())
        await cast(store, ballot(callback.id, "ada"))

        assert await store.withdraw(callback.id, person("ada")) is None
        assert len(await votes_of(store, callback)) == 1

    async def test_changed_details_are_stored_and_remove_votes(self, store: Store) -> None:
        callback = await asked(store, details={"euros": 10})
        await cast(store, ballot(callback.id, "ada"))

        changed = await store.change(callback.id, new_details(euros=11, to="Ada"), by=OPERATOR)

        assert changed == await found(store, callback.id)
        assert changed.options.details == {"euros": 11, "to": "Ada"}
        assert await store.votes([callback.id]) == {}
        (entry,) = await entries_of(store, callback.id, AuditKind.SUBJECT_CHANGED)
        assert entry.facts == {
            "changed": ["details.euros", "details.to"],
            "from": callback.subject.digest,
            "to": changed.subject.digest,
            "removed_votes": ["ada"],
            **OPERATOR,
        }
        (seen_before,) = await store.vote([
            ballot(callback.id, "ada", digest=callback.subject.digest)
        ])
        assert isinstance(seen_before, SubjectChangedError)

    @pytest.mark.parametrize(
        "details",
        [{"n": 1e22, "m": 1.0, "k": 10**30, "t": True}, {"a": [{"b": None}], "ö": "🎉"}],
        ids=["numbers", "nested"],
    )
    async def test_digest_is_the_same_after_reading_it_again(
        self, store: Store, details: dict[str, object]
    ) -> None:
        callback = await asked(store, title="Größe?", description="*x*", details=details)

        assert (await found(store, callback.id)).subject.digest == callback.subject.digest

    async def test_reassignment_is_stored_and_found_by_the_new_people(
        self, store: Store, database: Database
    ) -> None:
        callback = await asked(store)
        await cast(store, ballot(callback.id, "ada"))
        await cast(store, ballot((await asked(store)).id, "ada"))

        changed = await store.change(callback.id, to_people("user:Bob", "user:ÄDA"), by=OPERATOR)

        assert changed == await found(store, callback.id)
        assert changed.options.policy == replace(BOTH, assignees=("user:Bob", "user:ÄDA"))
        assert await store.votes([callback.id]) == {}
        inboxes = await _inboxes(database, callback)
        assert inboxes == sorted(inboxes_of(changed))
        assert {"user:bob", "user:äda"} == {one for one in inboxes if one.startswith("user:")}
        (entry,) = await entries_of(store, callback.id, AuditKind.REASSIGNED)
        assert entry.facts["removed_votes"] == ["ada"]

    async def test_claim_is_stored_and_keeps_others_out(self, store: Store) -> None:
        callback = await asked(store, replace(BOTH, approvals=1))

        changed = await store.change(callback.id, claimed_by("Ada"), by={"by": "Ada"})

        assert changed == await found(store, callback.id)
        assert changed.claimant == "Ada"
        (refused,) = await store.vote([ballot(callback.id, "bob")])
        assert isinstance(refused, ClaimedError)
        (entry,) = await entries_of(store, callback.id, AuditKind.CLAIMED)
        assert entry.facts == {"by": "Ada"}

    async def test_refused_change_stores_nothing(self, store: Store) -> None:
        callback = await asked(store)
        await cast(store, ballot(callback.id, "ada"))

        with pytest.raises(RingbackError):
            await store.change(callback.id, to_people(), by=OPERATOR)
        unchanged = await store.change(callback.id, lambda one, _: Change(one), by=OPERATOR)

        assert unchanged == callback == await found(store, callback.id)
        assert len(await votes_of(store, callback)) == 1
        assert await kinds(store, callback.id) == [AuditKind.OPENED, AuditKind.VOTED]

    async def test_unknown_callback_has_no_votes_and_no_changes(self, store: Store) -> None:
        nobody = factories.callback_id()

        assert await store.votes([nobody]) == {}
        assert await store.withdraw(nobody, person("ada")) is None
        assert await store.change(nobody, new_details(n=1), by=OPERATOR) is None

    async def test_later_attempt_keeps_votes_and_the_changed_question(self, store: Store) -> None:
        first = factories.request(
            policy=BOTH, details={"euros": 10}, follow_reset=True, title="Refund?"
        )
        (callback,) = await store.open([first])
        await store.change(callback.id, new_details(euros=11), by=OPERATOR)
        await store.change(callback.id, to_people("user:ada", "user:bob", "user:cy"), by=OPERATOR)
        await cast(store, ballot(callback.id, "ada"))
        before = await found(store, callback.id)
        later = replace(
            factories.request_of(
                first,
                ref=replace(first.attempt.ref, run_id="another-run"),
                number=2,
                started_at=factories.NOW + SECOND,
            ),
            options=replace(first.options, heartbeat=HeartbeatBy.GATEWAY),
        )

        (again,) = await store.open([later])

        assert (again.id, again.attempt) == (callback.id, 2)
        assert again.options == replace(before.options, heartbeat=HeartbeatBy.GATEWAY)
        assert await found(store, callback.id) == again
        assert [vote.user for vote in await votes_of(store, callback)] == ["ada"]

    async def test_next_generation_starts_without_votes_and_with_its_own_people(
        self, store: Store, database: Database
    ) -> None:
        first = factories.request(policy=BOTH)
        (callback,) = await store.open([first])
        await cast(store, ballot(callback.id, "ada"))
        await store.accept([factories.answer(callback.id, Failed("try again"))])
        answered = await found(store, callback.id)
        await store.settle([factories.settlement(answered, State.APPLIED)])
        later = factories.request_of(first, number=2, started_at=factories.NOW + SECOND)

        (second,) = await store.open([later])

        assert (second.generation, second.claimant) == (2, None)
        assert await votes_of(store, second) == []
        assert await _inboxes(database, second) == sorted(inboxes_of(second)) != []
        assert [vote.user for vote in await votes_of(store, callback)] == ["ada"]

    async def test_options_for_people_are_stored_exactly(self, store: Store) -> None:
        policy = Policy(
            is_decision=False,
            assignees=("user:ada", "group:Größe"),
            exclude=("Bob",),
            veto=False,
            require_reason=RequireReason.ALWAYS,
            on_reject=OnReject.FAIL,
            link_decides=True,
        )

        callback = await asked(store, policy, description="*x*", notify=("mail",))

        assert (await found(store, callback.id)).options == callback.options
        assert callback.options.policy == policy

    @pytest.mark.parametrize(
        "spoiling",
        ["proof = 'word of honour'", "groups = '5'", "groups = '[1]'", "at = 9223372036854775807"],
    )
    async def test_unreadable_vote_is_neither_counted_again_nor_lost(
        self, store: Store, database: Database, spoiling: str
    ) -> None:
        bad, good = await asked(store), await asked(store)
        for callback in (bad, good):
            await cast(store, ballot(callback.id, "ada"))
        await _spoil(database, bad, spoiling)

        refused, counted = await store.vote([ballot(bad.id, "bob"), ballot(good.id, "bob")])

        assert refused is None
        assert isinstance(counted, CountedVote)
        assert counted.outcome is not None
        assert (await found(store, bad.id)).state is State.OPEN
        assert await votes_of(store, bad) == []
        for change in (
            store.withdraw(bad.id, person("ada")),
            store.change(bad.id, new_details(n=1), by=OPERATOR),
        ):
            with pytest.raises(UnreadableCallbackError):
                await change
        await _spoil(database, bad, "proof = 'link', groups = '[]', at = 0")
        assert [vote.user for vote in await votes_of(store, bad)] == ["ada"]


async def _inboxes(database: Database, callback: Callback) -> list[str]:
    statement = text("SELECT inbox FROM assignments WHERE callback_id = :id")
    async with database.writing() as connection:
        rows = await connection.execute(statement, {"id": callback.id})
        return sorted(row.inbox for row in rows)


async def _spoil(database: Database, callback: Callback, spoiling: str) -> None:
    statement = text(f"UPDATE votes SET {spoiling} WHERE callback_id = :id")  # noqa: S608 - our own
    async with database.writing() as connection:
        await connection.execute(statement, {"id": callback.id})
