"""Every door counts votes by the same rules, and every voter gets a true reply."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from ringback.core.answers import AnswerService
from ringback.core.hooks import Hooks
from ringback.core.receipt import Receipt
from ringback.core.services import caught, run_services
from ringback.core.validation import AnswerValidator
from ringback.core.votes import VoteService
from ringback.domain.assignment import Actor
from ringback.domain.audit import AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import (
    AnsweredDifferentlyError,
    AnswerTooLargeError,
    ExpiredCallbackError,
    MalformedRequestError,
    StoreUnavailableError,
    UnknownCallbackError,
    UnreadableCallbackError,
    WrongResultError,
)
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.domain.people_errors import (
    ClaimedError,
    NotAssignedError,
    PeopleDecideError,
    SubjectChangedError,
    VotedDifferentlyError,
    WrongVoteError,
)
from ringback.domain.policy import OnReject, Policy, Proof, Voter
from ringback.domain.terms import Terms
from ringback.ports.store import EVIDENCE_BYTES, MAX_EVIDENCE, Answer
from ringback.store.sql_store import SqlStore
from ringback.testing import ExactResults, FakeActivities, ManualClock
from ringback.testing.in_memory_database import InMemoryDatabase
from tests import factories
from tests.people import BY_LINK, person
from tests.unit.core.callbacks import open_callback, reload, running_deliverer, state_of

BOTH = Policy(assignees=("user:ada", "user:bob", "user:cy"), approvals=2)
OPERATOR = Actor(Voter("key:k1", proof=Proof.API_KEY, via="k1"), is_operator=True)
KEY = Voter("key:k1", proof=Proof.API_KEY, via="k1")
FORM = '{"n":1}'
"""The schema of the tests' checker: only this very form meets it."""


class Seen(Hooks):
    """The hooks that count what was accepted."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []

    def answers_accepted(self, answers: Sequence[Answer]) -> None:
        self.answers += answers


@dataclass
class Hall:
    """The services through which people decide, and what they told others."""

    store: SqlStore
    activities: FakeActivities
    votes: VoteService
    answers: AnswerService
    wake_ups: list[str]
    seen: Seen

    async def ask(self, policy: Policy | None = BOTH, **options: Any) -> Callback:
        ref = factories.activity_ref()
        self.activities.schedule(ref)
        return await open_callback(self.store, self.activities, ref, policy=policy, **options)

    async def vote(self, callback: Callback, user: str | Voter, **more: Any) -> Receipt:
        voter = person(user) if isinstance(user, str) else user
        return await self.votes.vote(callback.id, voter, **more)

    async def by_link(self, callback: Callback, outcome: Outcome) -> Receipt:
        return await self.answers.accept(callback.id, outcome, serial=callback.link_serial)

    async def decision(self, callback: Callback) -> dict[str, Any]:
        accepted = (await reload(self.store, callback)).accepted
        assert accepted is not None
        assert isinstance(accepted.outcome, Completed)
        decision = json.loads(accepted.outcome.result or b"")
        assert isinstance(decision, dict)
        return decision

    async def evidence(self, callback: Callback) -> list[str]:
        entries = await self.store.audit_trail(callback.id)
        kind = AuditKind.ANSWERED_DIFFERENTLY
        return [str(entry.facts["body"]) for entry in entries if entry.kind is kind]


@pytest.fixture
async def hall(store: SqlStore, activities: FakeActivities) -> AsyncIterator[Hall]:
    wake_ups: list[str] = []
    seen = Seen()
    checks = AnswerValidator(store, activities, ExactResults())
    more: dict[str, Any] = {
        "new_outcome_id": factories.outcome_id,
        "on_accepted": lambda: wake_ups.append("accepted"),
        "hooks": seen,
    }
    votes = VoteService(store, checks, **more)
    answers = AnswerService(store, checks, votes, **more)
    async with run_services(answers):
        yield Hall(store, activities, votes, answers, wake_ups, seen)


async def test_vote_before_the_quorum_leaves_the_callback_open(
    hall: Hall, clock: ManualClock
) -> None:
    callback = await hall.ask()

    receipt = await hall.vote(callback, "ada")

    assert receipt == Receipt(callback.id, State.OPEN, clock.now(), is_duplicate=False)
    assert await state_of(hall.store, callback) is State.OPEN
    assert (hall.wake_ups, hall.seen.answers) == ([], [])


async def test_deciding_vote_is_accepted_and_wakes_the_deliverer(hall: Hall) -> None:
    callback = await hall.ask()
    await hall.vote(callback, "ada")

    receipt = await hall.vote(callback, "bob", reason="fine")

    assert (receipt.state, receipt.is_duplicate) == (State.ACCEPTED, False)
    assert hall.wake_ups == ["accepted"]
    assert [answer.callback_id for answer in hall.seen.answers] == [callback.id]
    decision = await hall.decision(callback)
    assert [vote["by"] for vote in decision["votes"]] == ["ada", "bob"]


async def test_decision_reaches_the_activity(hall: Hall, clock: ManualClock) -> None:
    callback = await hall.ask(Policy(on_reject=OnReject.FAIL))

    await hall.vote(callback, "ada", approved=False, reason="no budget")
    async with running_deliverer(hall.store, hall.activities, clock):
        pass

    assert await state_of(hall.store, callback) is State.APPLIED


async def test_same_vote_again_gets_the_same_receipt(hall: Hall, clock: ManualClock) -> None:
    callback = await hall.ask()
    first = await hall.vote(callback, "ada")
    clock.advance(timedelta(hours=1))

    again = await hall.vote(callback, "ADA")

    assert again == replace(first, is_duplicate=True)
    assert len(await hall.votes.votes(callback.id)) == 1


@pytest.mark.parametrize("user", ["ada", "bob"])
async def test_vote_sent_again_after_the_decision_is_a_duplicate(hall: Hall, user: str) -> None:
    callback = await hall.ask()
    await hall.vote(callback, "ada")
    await hall.vote(callback, "bob")

    again = await hall.vote(callback, user)

    assert (again.state, again.is_duplicate) == (State.ACCEPTED, True)
    assert await hall.evidence(callback) == []


async def test_two_deciding_votes_at_once_decide_once(hall: Hall) -> None:
    callback = await hall.ask()
    await hall.vote(callback, "ada")

    results = await asyncio.gather(
        *(caught(hall.vote(callback, user)) for user in ("bob", "cy", "bob"))
    )

    assert [getattr(one, "is_duplicate", None) for one in results] == [False, None, True]
    assert isinstance(results[1], AnsweredDifferentlyError)
    assert hall.wake_ups == ["accepted"]


async def test_vote_after_the_decision_is_kept_as_evidence(hall: Hall) -> None:
    callback = await hall.ask(Policy())
    await hall.vote(callback, "ada")

    with pytest.raises(AnsweredDifferentlyError):
        await hall.vote(callback, "bob", approved=False, reason="w\u00e4it")

    (evidence,) = await hall.evidence(callback)
    assert json.loads(evidence) == {
        "by": "bob",
        "proof": "signed in",
        "approved": False,
        "reason": "w\u00e4it",
    }


async def test_evidence_of_votes_is_bounded(hall: Hall) -> None:
    callback = await hall.ask(Policy())
    await hall.vote(callback, "ada")

    for number in range(MAX_EVIDENCE + 3):
        await caught(hall.vote(callback, f"user {number}", reason="\U0001f389" * 2000))

    evidence = await hall.evidence(callback)
    assert len(evidence) == MAX_EVIDENCE
    assert all(len(one) <= EVIDENCE_BYTES for one in evidence)


async def test_person_who_may_not_decide_leaves_no_evidence(hall: Hall) -> None:
    callback = await hall.ask(replace(BOTH, approvals=1))
    await hall.vote(callback, "ada")

    with pytest.raises(NotAssignedError):
        await hall.vote(callback, "dan", approved=False)

    assert await hall.evidence(callback) == []


@pytest.mark.parametrize("user", ["ada", "bob"])
async def test_vote_after_the_default_answer_is_too_late(
    hall: Hall, clock: ManualClock, user: str
) -> None:
    default = Completed(b'{"approved": false, "is_default": true}')
    callback = await hall.ask(deadline=timedelta(hours=1), on_deadline=default)
    await hall.vote(callback, "ada")
    clock.advance(timedelta(hours=1))
    await hall.store.accept_defaults([callback.id], factories.outcome_id)

    with pytest.raises(ExpiredCallbackError, match="its deadline passed"):
        await hall.vote(callback, user)
    with pytest.raises(ExpiredCallbackError, match="its deadline passed"):
        await hall.votes.withdraw(callback.id, person("ada"))


async def test_vote_after_the_end_of_the_activity_is_too_late(hall: Hall) -> None:
    callback = await hall.ask()
    await hall.store.expire([factories.expiry(callback, "the workflow was terminated")])

    with pytest.raises(ExpiredCallbackError, match="terminated"):
        await hall.vote(callback, "ada")
    with pytest.raises(ExpiredCallbackError, match="terminated"):
        await hall.votes.change_details(callback.id, {"n": 1}, OPERATOR)


async def test_unknown_callback_takes_no_vote(hall: Hall) -> None:
    nobody = factories.callback_id()

    for call in (
        hall.votes.vote(nobody, person("ada")),
        hall.votes.withdraw(nobody, person("ada")),
        hall.votes.claim(nobody, OPERATOR),
    ):
        with pytest.raises(UnknownCallbackError):
            await call


async def test_revoked_link_votes_no_longer(hall: Hall) -> None:
    callback = await hall.ask(Policy())
    await hall.store.revoke(callback.id)

    with pytest.raises(UnknownCallbackError):
        await hall.by_link(callback, Completed(b'{"approved": true}'))
    with pytest.raises(UnknownCallbackError):
        await hall.vote(callback, BY_LINK, link_serial=callback.link_serial)

    assert await hall.votes.votes(callback.id) == ()


async def test_callback_without_rules_takes_no_vote(hall: Hall) -> None:
    callback = await hall.ask(None)

    with pytest.raises(MalformedRequestError, match="without people rules"):
        await hall.vote(callback, "ada")
    assert (await hall.by_link(callback, Completed(b"1"))).state is State.ACCEPTED


async def test_second_different_vote_is_refused_until_the_first_is_withdrawn(hall: Hall) -> None:
    callback = await hall.ask()
    await hall.vote(callback, "ada")

    with pytest.raises(VotedDifferentlyError):
        await hall.vote(callback, "Ada", approved=False)

    for _ in range(2):
        withdrawn = await hall.votes.withdraw(callback.id, person("ada"))
        assert withdrawn.id == callback.id
    receipt = await hall.vote(callback, "Ada", approved=False, ballot=1)
    assert receipt.state is State.ACCEPTED
    assert (await hall.decision(callback))["approved"] is False


async def test_vote_on_an_earlier_subject_learns_what_changed(hall: Hall) -> None:
    callback = await hall.ask(details={"euros": 10})
    await hall.vote(callback, "ada", digest=callback.subject.digest)
    changed = await hall.votes.change_details(callback.id, {"euros": 9, "to": "Ada"}, OPERATOR)
    again = await hall.votes.change_details(callback.id, {"to": "Bob"}, OPERATOR)

    for digest, names in [
        (callback.subject.digest, ("details.euros", "details.to")),
        (changed.subject.digest, ("details.to",)),
        ("f" * 32, ()),
    ]:
        with pytest.raises(SubjectChangedError) as raised:
            await hall.vote(callback, "bob", digest=digest)
        assert raised.value.changed == names

    assert await hall.votes.votes(callback.id) == ()
    await hall.vote(callback, "ada", digest=again.subject.digest)
    assert (await hall.vote(callback, "bob")).state is State.ACCEPTED


async def test_subject_that_changes_during_the_checks_is_noticed(
    store: SqlStore, hall: Hall
) -> None:
    callback = await hall.ask(Policy(), details={"euros": 10})

    class Slow(FakeActivities):
        async def check(self, terms: Terms, outcome: Outcome) -> None:  # noqa: ARG002 - the port's
            await hall.votes.change_details(callback.id, {"euros": 9}, OPERATOR)

    checks = AnswerValidator(store, Slow(), ExactResults())
    votes = VoteService(
        store, checks, new_outcome_id=factories.outcome_id, on_accepted=lambda: None
    )
    async with run_services(checks, votes):
        with pytest.raises(SubjectChangedError, match=r"details\.euros"):
            await votes.vote(callback.id, person("ada"), digest=callback.subject.digest)

    assert await state_of(store, callback) is State.OPEN


async def test_others_wait_until_a_claim_is_released(hall: Hall) -> None:
    callback = await hall.ask(replace(BOTH, approvals=1))
    claimed = await hall.votes.claim(callback.id, Actor(person("ada")))
    assert claimed.claimant == "ada"

    with pytest.raises(ClaimedError):
        await hall.vote(callback, "bob")

    assert (await hall.votes.release(callback.id, OPERATOR)).claimant is None
    assert (await hall.vote(callback, "bob")).state is State.ACCEPTED


async def test_reassigned_person_decides_at_once_although_it_was_claimed(hall: Hall) -> None:
    callback = await hall.ask(replace(BOTH, approvals=1))
    await hall.votes.claim(callback.id, Actor(person("ada")))

    await hall.votes.reassign(callback.id, ["user:dan"], OPERATOR)

    with pytest.raises(NotAssignedError):
        await hall.vote(callback, "ada")
    assert (await hall.vote(callback, "dan")).state is State.ACCEPTED
    entries = await hall.store.audit_trail(callback.id)
    (entry,) = [one for one in entries if one.kind is AuditKind.REASSIGNED]
    assert (entry.facts["by"], entry.facts["via"]) == ("key:k1", "k1")


@pytest.mark.parametrize(
    ("more", "where"),
    [
        ({"approved": True}, "/form"),
        ({"approved": True, "body": b'{"n":2}'}, "/form/a"),
        ({"approved": False, "body": b'{"n":2}'}, "/form/a"),
    ],
    ids=str,
)
async def test_form_is_checked_before_the_vote_counts(
    hall: Hall, more: dict[str, Any], where: str
) -> None:
    callback = await hall.ask(Policy(), result_schema=FORM)

    with pytest.raises(WrongVoteError) as raised:
        await hall.vote(callback, "ada", **more)

    assert [one.path for one in raised.value.problems] == [where]
    assert await state_of(hall.store, callback) is State.OPEN


async def test_rejection_needs_no_form(hall: Hall) -> None:
    callback = await hall.ask(Policy(), result_schema=FORM)

    receipt = await hall.vote(callback, "ada", approved=False)

    assert receipt.state is State.ACCEPTED


async def test_approval_needs_no_form_where_the_policy_says_so(hall: Hall) -> None:
    callback = await hall.ask(Policy(require_form=False), result_schema=FORM)

    with pytest.raises(WrongVoteError):
        await hall.vote(callback, "ada", body=b'{"n":2}')
    receipt = await hall.vote(callback, "ada")

    assert receipt.state is State.ACCEPTED


async def test_form_that_nobody_asked_for_is_refused(hall: Hall) -> None:
    callback = await hall.ask(Policy())

    with pytest.raises(WrongVoteError, match="no form is asked for; leave it out"):
        await hall.vote(callback, "ada", body=b"1")


async def test_result_of_a_person_is_checked_and_becomes_the_outcome(hall: Hall) -> None:
    callback = await hall.ask(replace(BOTH, approvals=1, is_decision=False), result_schema=FORM)

    with pytest.raises(WrongResultError):
        await hall.vote(callback, "ada", body=b"2")
    await hall.vote(callback, "ada", body=FORM.encode())

    accepted = (await reload(hall.store, callback)).accepted
    assert accepted is not None
    assert accepted.outcome == Completed(FORM.encode())


async def test_form_too_large_for_temporal_is_refused_before_the_quorum(hall: Hall) -> None:
    form = json.dumps("x" * 5000)
    callback = await hall.ask(result_schema=form)
    hall.activities.largest = 5000

    with pytest.raises(AnswerTooLargeError):
        await hall.vote(callback, "ada", body=form.encode())

    assert await hall.votes.votes(callback.id) == ()


async def test_duplicate_is_not_checked_for_its_size_again(hall: Hall) -> None:
    callback = await hall.ask()
    await hall.vote(callback, "ada")
    hall.activities.largest = 1

    assert (await hall.vote(callback, "ada")).is_duplicate


async def test_store_that_is_away_loses_no_vote(hall: Hall, database: InMemoryDatabase) -> None:
    callback = await hall.ask()
    await hall.vote(callback, "ada")
    database.is_available = False

    with pytest.raises(StoreUnavailableError):
        await hall.vote(callback, "bob")

    database.is_available = True
    assert (await hall.vote(callback, "bob")).state is State.ACCEPTED
    assert len((await hall.decision(callback))["votes"]) == 2


async def test_unreadable_vote_is_reported(hall: Hall, database: InMemoryDatabase) -> None:
    callback, other = await hall.ask(), await hall.ask()
    await hall.vote(callback, "ada")
    async with database.writing() as connection:
        await connection.execute(text("UPDATE votes SET proof = 'word of honour'"))

    results = await asyncio.gather(*(caught(hall.vote(one, "bob")) for one in (callback, other)))

    assert isinstance(results[0], UnreadableCallbackError)
    assert isinstance(results[1], Receipt)


async def test_vote_that_cannot_be_written_stops_no_other(
    hall: Hall, database: InMemoryDatabase
) -> None:
    bad, good = await hall.ask(), await hall.ask()
    async with database.writing() as connection:
        refusal = (
            f"CREATE TRIGGER refusal BEFORE INSERT ON votes WHEN NEW.callback_id = '{bad.id}'"
            " BEGIN SELECT RAISE(ABORT, 'the row is refused'); END"
        )
        await connection.execute(text(refusal))

    results = await asyncio.gather(*(caught(hall.vote(one, "bob")) for one in (bad, good)))

    assert isinstance(results[0], Exception)
    assert isinstance(results[1], Receipt)
    assert [vote.user for vote in await hall.votes.votes(good.id)] == ["bob"]
    assert await hall.votes.votes(bad.id) == ()


RULES = [
    replace(BOTH, approvals=1),
    Policy(exclude=("ada",)),
    Policy(approvals=2),
    Policy(link_decides=False),
]


@pytest.mark.parametrize("policy", RULES, ids=str)
@pytest.mark.parametrize(
    "outcome", [Completed(b'{"approved": true}'), Failed("no")], ids=["complete", "fail"]
)
async def test_link_does_not_get_around_the_rules(
    hall: Hall, policy: Policy, outcome: Outcome
) -> None:
    callback = await hall.ask(policy)

    with pytest.raises(PeopleDecideError, match="open its page"):
        await hall.by_link(callback, outcome)

    assert await state_of(hall.store, callback) is State.OPEN


@pytest.mark.parametrize("policy", RULES[:3], ids=str)
@pytest.mark.parametrize(
    "outcome", [Completed(b'{"approved": true}'), Failed("no")], ids=["complete", "fail"]
)
async def test_key_that_names_nobody_does_not_get_around_the_rules(
    hall: Hall, policy: Policy, outcome: Outcome
) -> None:
    callback = await hall.ask(policy)

    with pytest.raises(PeopleDecideError):
        await hall.answers.accept(callback.id, outcome, voter=KEY)

    assert await state_of(hall.store, callback) is State.OPEN


async def test_answer_by_link_is_the_vote_of_whoever_holds_it(hall: Hall) -> None:
    callback = await hall.ask(Policy(), result_schema=FORM)
    body = b'{"approved": true, "reason": "fine", "form": {"n":1}}'

    first = await hall.by_link(callback, Completed(body))
    again = await hall.by_link(callback, Completed(body))

    assert (first.state, first.is_duplicate, again.is_duplicate) == (State.ACCEPTED, False, True)
    decision = await hall.decision(callback)
    assert (decision["by"], decision["reason"], decision["form"]) == ("link", "fine", {"n": 1})
    assert decision["votes"][0]["proof"] == "link"


async def test_answer_by_link_that_is_not_a_vote_is_refused(hall: Hall) -> None:
    callback = await hall.ask(Policy())

    with pytest.raises(WrongVoteError, match="it must be true or false"):
        await hall.by_link(callback, Completed(b"{}"))


async def test_result_by_link_is_the_result_where_nobody_approves(hall: Hall) -> None:
    callback = await hall.ask(Policy(is_decision=False))

    await hall.by_link(callback, Completed(b'{ "n": 1.10 }'))

    accepted = (await reload(hall.store, callback)).accepted
    assert accepted is not None
    assert accepted.outcome == Completed(b'{ "n": 1.10 }')


async def test_answer_by_key_is_a_vote_if_no_rule_names_people(hall: Hall) -> None:
    callback = await hall.ask(Policy(link_decides=False))

    await hall.answers.accept(callback.id, Completed(b'{"approved": true}'), voter=KEY)

    assert (await hall.decision(callback))["votes"][0] == {
        "by": "key:k1",
        "approved": True,
        "reason": None,
        "proof": "API key",
        "at": "2030-01-01T00:00:00Z",
    }


async def test_failure_is_accepted_only_without_rules(hall: Hall) -> None:
    plain = await hall.ask(Policy())
    quorum = await hall.ask(replace(BOTH, link_decides=True))

    await hall.by_link(plain, Failed("no"))
    with pytest.raises(PeopleDecideError):
        await hall.by_link(quorum, Failed("no"))

    assert await state_of(hall.store, plain) is State.ACCEPTED
    assert await state_of(hall.store, quorum) is State.OPEN


async def test_failure_does_not_get_around_a_claim(hall: Hall) -> None:
    callback = await hall.ask(Policy())
    await hall.votes.claim(callback.id, Actor(person("ada")))

    with pytest.raises(ClaimedError):
        await hall.by_link(callback, Failed("no"))
    with pytest.raises(ClaimedError):
        await hall.by_link(callback, Completed(b'{"approved": true}'))


async def test_requested_cancellation_is_reported_whatever_the_rules(hall: Hall) -> None:
    callback = await hall.ask(BOTH)
    hall.activities.request_cancel(callback.ref)

    receipt = await hall.by_link(callback, Canceled(None))

    assert receipt.state is State.ACCEPTED


async def test_no_log_line_has_a_reason_a_form_or_a_name(
    hall: Hall, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    callback = await hall.ask(Policy(assignees=("user:ada@example.org",)), result_schema=FORM)

    await hall.vote(callback, "ada@example.org", reason="the secret", body=FORM.encode())
    await caught(hall.vote(callback, "ada@example.org", reason="the secret", approved=False))

    lines = [f"{record.getMessage()} {vars(record)}" for record in caplog.records]
    assert any("votes counted" in line for line in lines)
    assert not [line for line in lines if "secret" in line or "ada@" in line or FORM in line]
