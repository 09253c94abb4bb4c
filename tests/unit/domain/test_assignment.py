"""People claim, release and reassign a question, and its details change."""

from dataclasses import replace

import pytest

from ringback.domain.assignment import (
    Actor,
    Change,
    change_details,
    changed_since,
    claim,
    reassign,
    release,
)
from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback
from ringback.domain.errors import MalformedRequestError
from ringback.domain.people_errors import ClaimedError, NotAssignedError, WrongVoteError
from ringback.domain.policy import Policy, Proof, Voter
from ringback.domain.vote import Vote
from tests import factories
from tests.people import BY_LINK, person, question, votes_on

ADA, BOB = Actor(person("ada")), Actor(person("bob"))
OPERATOR = Actor(Voter("key:k1", proof=Proof.API_KEY, via="k1"), is_operator=True)
EITHER = Policy(assignees=("user:ada", "user:bob"))
BOTH = replace(EITHER, approvals=2)
PLAIN = question(None)
PLAIN = replace(PLAIN, options=replace(PLAIN.options, policy=None))


def reassigned(
    callback: Callback, *assignees: str, votes: list[Vote] | None = None, actor: Actor = OPERATOR
) -> Change:
    return reassign(callback, votes or [], assignees, actor=actor)


def test_claimed_callback_names_its_claimant() -> None:
    change = claim(question(EITHER), ADA)

    assert (change.callback.claimant, change.kind) == ("ada", AuditKind.CLAIMED)


def test_second_claim_of_the_same_person_changes_nothing() -> None:
    claimed = claim(question(EITHER), ADA).callback

    assert claim(claimed, Actor(person("Ada"))) == Change(claimed)


def test_claim_of_another_person_is_refused() -> None:
    claimed = claim(question(EITHER), ADA).callback

    with pytest.raises(ClaimedError, match="ada has claimed"):
        claim(claimed, BOB)


def test_nobody_claims_what_several_must_approve() -> None:
    with pytest.raises(MalformedRequestError, match="several people must approve"):
        claim(question(BOTH), ADA)


@pytest.mark.parametrize("voter", [person("cy"), BY_LINK], ids=str)
def test_person_who_may_not_decide_cannot_claim_or_reassign(voter: Voter) -> None:
    callback = question(EITHER)

    with pytest.raises(NotAssignedError):
        claim(callback, Actor(voter))
    with pytest.raises(NotAssignedError):
        reassigned(callback, "user:cy", actor=Actor(voter))


@pytest.mark.parametrize(
    "change", [claim, lambda one, actor: reassigned(one, "user:cy", actor=actor)]
)
def test_callback_without_rules_cannot_be_claimed_or_reassigned(change: object) -> None:
    assert callable(change)

    with pytest.raises(MalformedRequestError, match="without people rules"):
        change(PLAIN, OPERATOR)


@pytest.mark.parametrize("actor", [Actor(person("ADA")), OPERATOR], ids=str)
def test_claimant_and_operators_release(actor: Actor) -> None:
    claimed = claim(question(EITHER), ADA).callback

    change = release(claimed, actor)

    assert (change.callback.claimant, change.kind) == (None, AuditKind.RELEASED)
    assert change.facts == {"claimant": "ada"}


def test_other_person_does_not_release() -> None:
    claimed = claim(question(EITHER), ADA).callback

    with pytest.raises(ClaimedError):
        release(claimed, BOB)


def test_release_of_what_nobody_claimed_changes_nothing() -> None:
    callback = question(EITHER)

    assert release(callback, BOB) == Change(callback)


def test_reassignment_removes_votes_of_those_who_may_no_longer_decide() -> None:
    callback = question(replace(BOTH, assignees=("user:ada", "user:bob", "user:cy"), approvals=3))
    votes = votes_on(callback, ("ada", True), ("bob", True))

    change = reassigned(callback, "user:Bob", "user:cy", "user:dan", votes=votes)

    assert change.removed == (votes[0],)
    assert change.callback.options.policy == replace(
        callback.options.policy or Policy(), assignees=("user:Bob", "user:cy", "user:dan")
    )
    assert change.kind is AuditKind.REASSIGNED
    assert change.facts == {
        "from": ["user:ada", "user:bob", "user:cy"],
        "to": ["user:Bob", "user:cy", "user:dan"],
        "removed_votes": ["ada"],
    }


def test_reassignment_keeps_votes_of_members_of_a_group() -> None:
    callback = question(Policy(assignees=("group:finance",), approvals=2))
    vote = replace(
        votes_on(question(Policy(approvals=2)), ("ada", True))[0], groups=frozenset({"Sales"})
    )

    assert reassigned(callback, "group:sales", votes=[vote]).removed == ()
    assert reassigned(callback, "group:legal", votes=[vote]).removed == (vote,)


def test_reassignment_removes_the_vote_of_whoever_holds_a_link() -> None:
    callback = question(Policy(approvals=1, veto=False, link_decides=None))
    vote = replace(
        votes_on(question(Policy(approvals=2)), ("ada", True))[0], user="link", proof=Proof.LINK
    )

    change = reassigned(callback, "user:ada", votes=[vote])

    assert change.removed == (vote,)


def test_reassignment_ends_a_claim() -> None:
    claimed = claim(question(EITHER), ADA).callback

    change = reassigned(claimed, "user:bob", "user:cy", actor=ADA)

    assert change.callback.claimant is None


def test_claimant_who_stays_assigned_does_not_block_a_new_majority() -> None:
    one = question(Policy(assignees=("user:ada",), approvals="majority"))
    claimed = claim(one, ADA).callback

    changed = reassigned(claimed, "user:ada", "user:bob", "user:cy").callback

    assert changed.options.policy is not None
    assert (changed.options.policy.approvals_needed, changed.claimant) == (2, None)


def test_reassignment_to_the_same_people_changes_nothing() -> None:
    callback = question(EITHER)

    assert reassigned(callback, "user:ada", "user:bob") == Change(callback)


@pytest.mark.parametrize(
    ("assignees", "why"),
    [
        ([], "anybody could decide"),
        (["ada"], "write user:"),
        (["user:ada"], "only 1 may decide"),
    ],
)
def test_reassignment_after_which_nobody_could_decide_is_refused(
    assignees: list[str], why: str
) -> None:
    with pytest.raises(MalformedRequestError, match=why):
        reassigned(question(BOTH), *assignees)


def test_reassignment_that_would_decide_without_a_vote_is_refused() -> None:
    users = ("user:ada", "user:bob", "user:cy")
    callback = question(Policy(assignees=users, approvals="majority"))
    votes = votes_on(callback, ("ada", True))

    with pytest.raises(MalformedRequestError, match="votes so far would decide"):
        reassigned(callback, "user:ada", votes=votes)


def test_changed_details_are_merged_and_remove_all_votes() -> None:
    callback = question(BOTH, details={"euros": 10, "to": "Ada"})
    votes = votes_on(callback, ("ada", True))

    change = change_details(callback, votes, {"euros": 11, "why": None})

    assert change.callback.options.details == {"euros": 11, "to": "Ada", "why": None}
    assert (change.kind, change.removed) == (AuditKind.SUBJECT_CHANGED, tuple(votes))
    assert change.facts == {
        "changed": ["details.euros", "details.why"],
        "from": callback.subject.digest,
        "to": change.callback.subject.digest,
        "removed_votes": ["ada"],
    }


def test_same_details_change_nothing_and_keep_the_votes() -> None:
    callback = question(BOTH, details={"euros": 10})

    assert change_details(callback, votes_on(callback, ("ada", True)), {"euros": 10}) == Change(
        callback
    )


@pytest.mark.parametrize(
    "details", [{"a": "x" * 17_000}, {"a": "\x00"}, {"a": object()}], ids=["long", "NUL", "no JSON"]
)
def test_details_that_cannot_be_stored_are_refused(details: dict[str, object]) -> None:
    with pytest.raises(MalformedRequestError):
        change_details(question(), [], details)


def test_changes_since_the_version_that_was_seen_are_named() -> None:
    entries = [_changed("a", "b", "euros"), _claimed(), _changed("b", "c", "to", "why")]

    assert changed_since(entries, "a") == ["euros", "to", "why"]
    assert changed_since(entries, "b") == ["to", "why"]


@pytest.mark.parametrize("digest", ["c", "never", None])
def test_unknown_version_has_no_changes(digest: str | None) -> None:
    assert changed_since([_changed("a", "b", "euros"), _changed("b", "c", "to")], digest) == []


def test_changes_that_were_taken_back_are_not_named() -> None:
    entries = [_changed("a", "b", "euros"), _changed("b", "a", "euros"), _changed("a", "c", "to")]

    assert changed_since(entries, "a") == ["to"]


def test_event_of_another_form_names_nothing() -> None:
    odd = AuditEntry(
        factories.callback_id(),
        factories.NOW,
        AuditKind.SUBJECT_CHANGED,
        {"from": "a", "changed": 5},
    )

    assert changed_since([odd], "a") == []


def _changed(before: str, after: str, *names: str) -> AuditEntry:
    facts: dict[str, object] = {"from": before, "to": after, "changed": list(names)}
    return AuditEntry(factories.callback_id(), factories.NOW, AuditKind.SUBJECT_CHANGED, facts)


def _claimed() -> AuditEntry:
    return AuditEntry(factories.callback_id(), factories.NOW, AuditKind.CLAIMED, {"by": "ada"})


def test_only_claimant_or_operator_reassigns_a_claimed_callback() -> None:
    claimed = claim(question(EITHER), ADA).callback

    with pytest.raises(ClaimedError):
        reassigned(claimed, "user:bob", "user:cy", actor=BOB)

    for actor in (ADA, OPERATOR):
        assert reassigned(claimed, "user:bob", actor=actor).callback.claimant is None


@pytest.mark.parametrize("user", ["user:ada", "link", "a\u202e"], ids=ascii)
def test_name_that_cannot_vote_cannot_claim(user: str) -> None:
    with pytest.raises(WrongVoteError):
        claim(question(Policy()), Actor(person(user)))
