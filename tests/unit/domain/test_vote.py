"""One person has one vote, and the votes decide as the policy says."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.domain.callback import Callback
from ringback.domain.outcome import Completed, Failed
from ringback.domain.people_errors import (
    ClaimedError,
    NotAssignedError,
    SubjectChangedError,
    VotedDifferentlyError,
    WrongVoteError,
)
from ringback.domain.policy import (
    LONGEST_REASON,
    OnReject,
    Policy,
    Proof,
    RequireReason,
    Voter,
)
from ringback.domain.text_checks import LONGEST_NAME
from ringback.domain.vote import (
    APPROVAL_DENIED,
    Vote,
    VoteRequest,
    count_vote,
    decide,
    find_vote,
    is_same_vote,
    tally,
)
from tests import factories
from tests.people import BY_LINK, ballot, person, question, votes_on

NOW = factories.NOW
USERS = ("user:ada", "user:bob", "user:cy")
TWO_OF_THREE = Policy(assignees=USERS, approvals=2)
NO_VETO = replace(TWO_OF_THREE, veto=False)


def decision_of(outcome: Completed | Failed | None) -> dict[str, Any]:
    assert isinstance(outcome, Completed)
    decision = json.loads(outcome.result or b"")
    assert isinstance(decision, dict)
    return decision


def problems_of(callback: Callback, request: VoteRequest) -> list[tuple[str, str]]:
    with pytest.raises(WrongVoteError) as caught:
        count_vote(callback, [], request, now=NOW)
    return [(one.path, one.message) for one in caught.value.problems]


@pytest.mark.parametrize(
    ("policy", "said", "approved"),
    [
        (Policy(), "y", True),
        (Policy(), "n", False),
        (TWO_OF_THREE, "y", None),
        (TWO_OF_THREE, "yy", True),
        (TWO_OF_THREE, "n", False),
        (TWO_OF_THREE, "yn", False),
        (NO_VETO, "n", None),
        (NO_VETO, "yn", None),
        (NO_VETO, "yny", True),
        (NO_VETO, "nn", False),
        (NO_VETO, "nyn", False),
        (replace(NO_VETO, approvals=3), "n", False),
        (replace(NO_VETO, approvals=1), "nn", None),
        (replace(NO_VETO, approvals=1), "nnn", False),
        (replace(NO_VETO, approvals="majority"), "yy", True),
        (replace(NO_VETO, approvals="majority"), "nn", False),
        (Policy(approvals=2, veto=False, assignees=("group:finance",)), "n", None),
        (Policy(approvals=2, veto=False, assignees=("group:finance",)), "ynn", False),
    ],
    ids=str,
)
def test_votes_decide_as_the_policy_says(policy: Policy, said: str, approved: object) -> None:
    callback = question(policy)
    votes: list[Vote] = []
    for user, vote in zip(("ada", "bob", "cy"), said, strict=False):
        voter = person(user, "finance")
        request = ballot(callback.id, voter, approved=vote == "y")
        counted = count_vote(callback, votes, request, now=NOW)
        is_last = len(votes) == len(said) - 1
        assert (counted.outcome is None) is not (is_last and approved is not None)
        votes.append(counted.vote)

    assert tally(policy, votes).is_approved is approved


@given(st.integers(1, 4), st.booleans(), st.lists(st.booleans(), min_size=4, max_size=4))
def test_votes_of_everybody_always_decide(
    approvals: int,
    veto: bool,  # noqa: FBT001 - from the strategy
    said: list[bool],
) -> None:
    users = tuple(f"user:{number}" for number in range(4))
    policy = Policy(approvals=approvals, veto=veto, assignees=users)
    callback = question(policy)
    votes: list[Vote] = []
    outcome: Completed | Failed | None = None
    while outcome is None:
        number = len(votes)
        request = ballot(callback.id, str(number), approved=said[number])
        counted = count_vote(callback, votes, request, now=NOW)
        votes.append(counted.vote)
        outcome = counted.outcome

    is_approved = sum(vote.approved for vote in votes) >= approvals
    decision = decision_of(outcome)
    assert decision["approved"] is is_approved
    assert [vote["by"] for vote in decision["votes"]] == [vote.user for vote in votes]
    assert is_approved or veto or said.count(True) < approvals


def test_order_of_votes_does_not_change_the_decision_without_veto() -> None:
    callback = question(NO_VETO)
    decisions = set()
    for order in permutations([("ada", True), ("bob", False), ("cy", True)]):
        votes: list[Vote] = []
        counted = None
        for user, approved in order:
            request = ballot(callback.id, user, approved=approved)
            counted = count_vote(callback, votes, request, now=NOW)
            votes.append(counted.vote)
            if counted.outcome is not None:
                break
        assert counted is not None
        decisions.add(decision_of(counted.outcome)["approved"])

    assert decisions == {True}


def test_decision_names_every_vote_that_was_counted() -> None:
    callback = question(NO_VETO)
    votes = votes_on(callback, ("ada", True), ("bob", False))
    later = NOW + timedelta(seconds=5)
    last = ballot(callback.id, "cy", reason="fine", body=b'{"n": 1.10}')

    counted = count_vote(callback, votes, last, now=later)

    assert isinstance(counted.outcome, Completed)
    assert b'"form": {"n": 1.10}' in (counted.outcome.result or b"")
    assert decision_of(counted.outcome) == {
        "approved": True,
        "reason": "fine",
        "by": "cy",
        "form": {"n": 1.1},
        "is_default": False,
        "votes": [
            {"by": "ada", "approved": True, "reason": None, "proof": "signed in", "at": at(0)},
            {"by": "bob", "approved": False, "reason": None, "proof": "signed in", "at": at(0)},
            {"by": "cy", "approved": True, "reason": "fine", "proof": "signed in", "at": at(5)},
        ],
    }


def at(second: int) -> str:
    return f"2030-01-01T00:00:0{second}Z"


def test_decision_has_the_latest_form_of_those_who_agree_with_it() -> None:
    callback = question(replace(NO_VETO, approvals=2))
    votes: list[Vote] = []
    for user, approved, body in [("ada", True, b"1"), ("bob", False, b"2"), ("cy", True, None)]:
        request = ballot(callback.id, user, approved=approved, body=body)
        counted = count_vote(callback, votes, request, now=NOW)
        votes.append(counted.vote)

    assert decision_of(counted.outcome)["form"] == 1


def test_rejection_fails_the_activity_if_the_author_says_so() -> None:
    callback = question(Policy(on_reject=OnReject.FAIL))

    yes = count_vote(callback, [], ballot(callback.id, "ada"), now=NOW)
    no = count_vote(
        callback, [], ballot(callback.id, "ada", approved=False, reason="no budget"), now=NOW
    )
    silent = count_vote(callback, [], ballot(callback.id, "ada", approved=False), now=NOW)

    assert isinstance(yes.outcome, Completed)
    assert isinstance(no.outcome, Failed)
    assert (no.outcome.message, no.outcome.type, no.outcome.non_retryable) == (
        "approval denied: no budget",
        APPROVAL_DENIED,
        True,
    )
    (details,) = json.loads(no.outcome.details or b"")
    assert (details["approved"], details["by"], len(details["votes"])) == (False, "ada", 1)
    assert isinstance(silent.outcome, Failed)
    assert silent.outcome.message == "approval denied"


def test_first_person_who_gives_the_result_decides() -> None:
    callback = question(Policy(is_decision=False, assignees=USERS))

    counted = count_vote(callback, [], ballot(callback.id, "bob", body=b'{"n": 1.10}'), now=NOW)

    assert counted.outcome == Completed(b'{"n": 1.10}')


def test_same_vote_again_is_a_duplicate() -> None:
    callback = question(TWO_OF_THREE)
    first = count_vote(callback, [], ballot(callback.id, "Ada", body=b'{"n": 1}'), now=NOW)
    again = ballot(callback.id, "ADA", reason="", body=b'{ "n" : 1.0 }')

    second = count_vote(callback, [first.vote], again, now=NOW + timedelta(hours=1))

    assert second.is_duplicate
    assert (second.vote, second.outcome) == (first.vote, None)


@pytest.mark.parametrize(
    "other",
    [{"approved": False}, {"reason": "why"}, {"body": b"2"}, {"body": None}],
    ids=str,
)
def test_second_different_vote_is_refused(other: dict[str, Any]) -> None:
    callback = question(NO_VETO)
    vote = count_vote(callback, [], ballot(callback.id, "ada", body=b"1"), now=NOW).vote
    different = replace(ballot(callback.id, "Ada", body=b"1"), **other)

    with pytest.raises(VotedDifferentlyError) as caught:
        count_vote(callback, [vote], different, now=NOW)

    assert caught.value.voted_at == NOW
    assert not is_same_vote(vote, different)


def test_one_person_with_two_proofs_has_one_vote() -> None:
    callback = question(TWO_OF_THREE)
    votes = votes_on(callback, ("ada", True))
    by_key = ballot(callback.id, Voter("ada", proof=Proof.API_KEY, via="key_1"))

    assert count_vote(callback, votes, by_key, now=NOW).is_duplicate


def test_everybody_who_holds_a_link_is_one_person() -> None:
    callback = question(Policy(approvals=2, link_decides=True))
    first = count_vote(callback, [], ballot(callback.id, BY_LINK), now=NOW)

    assert count_vote(callback, [first.vote], ballot(callback.id, BY_LINK), now=NOW).is_duplicate


def test_vote_on_an_earlier_version_is_refused() -> None:
    callback = question()
    seen = replace(callback, options=replace(callback.options, title="Refund 41?"))

    with pytest.raises(SubjectChangedError, match="read it again"):
        count_vote(callback, [], ballot(callback.id, "ada", digest=seen.subject.digest), now=NOW)

    counted = count_vote(
        callback, [], ballot(callback.id, "ada", digest=callback.subject.digest), now=NOW
    )
    assert counted.vote.digest == callback.subject.digest


def test_others_cannot_vote_while_it_is_claimed() -> None:
    callback = replace(question(), claimant="Ada")

    with pytest.raises(ClaimedError, match="Ada has claimed this"):
        count_vote(callback, [], ballot(callback.id, "bob"), now=NOW)

    assert count_vote(callback, [], ballot(callback.id, "ada"), now=NOW).outcome is not None


def test_vote_before_a_claim_is_still_a_duplicate_when_sent_again() -> None:
    callback = question(replace(NO_VETO, approvals=1))
    votes = votes_on(callback, ("ada", False))
    claimed = replace(callback, claimant="bob")

    again = count_vote(claimed, votes, ballot(callback.id, "ada", approved=False), now=NOW)

    assert again.is_duplicate


@pytest.mark.parametrize("voter", [person("dan"), BY_LINK], ids=str)
def test_person_who_may_not_decide_is_not_counted(voter: Voter) -> None:
    callback = question(TWO_OF_THREE)

    with pytest.raises(NotAssignedError):
        count_vote(callback, [], ballot(callback.id, voter), now=NOW)


UNNAMED = ["", " ada", "ada\n", "a\x00", "a\u202e", "\ufe0f", "x" * (LONGEST_NAME + 1)]
PREFIXED = ["user:ada", "USER:ada", "\uff55ser:ada", "group:finance", "key:k1"]


@pytest.mark.parametrize("user", UNNAMED + PREFIXED, ids=ascii)
def test_name_that_cannot_be_one_is_refused(user: str) -> None:
    callback = question()

    ((path, _),) = problems_of(callback, ballot(callback.id, user))

    assert path == "/by"


SPELLINGS = ["JOS\u00c9", "jose\u0301", "\uff4aos\u00e9", "jos\u00e9\ufe0f", "jo\u034fs\u00e9"]


@pytest.mark.parametrize("user", SPELLINGS, ids=ascii)
@pytest.mark.parametrize("named", ["jos\u00e9", "jose\u0301"], ids=ascii)
def test_other_spelling_is_the_same_person(user: str, named: str) -> None:
    excluded = question(Policy(exclude=(named,)))
    both = question(Policy(approvals=2))

    with pytest.raises(NotAssignedError):
        count_vote(excluded, [], ballot(excluded.id, user), now=NOW)
    counted = count_vote(both, votes_on(both, (named, True)), ballot(both.id, user), now=NOW)
    assert counted.is_duplicate


@pytest.mark.parametrize("user", ["link", "Link", "l\uff49nk"])
def test_nobody_takes_the_name_of_the_holder_of_a_link(user: str) -> None:
    callback = question(Policy(approvals=2, link_decides=True))

    assert problems_of(callback, ballot(callback.id, user)) == [
        ("/by", "this name stands for the holders of links")
    ]


def test_result_cannot_be_rejected() -> None:
    callback = question(Policy(is_decision=False))

    ((path, _),) = problems_of(callback, ballot(callback.id, "ada", approved=False))

    assert path == "/approved"


@pytest.mark.parametrize("reason", [None, "", " \n"])
def test_missing_reason_is_named(reason: str | None) -> None:
    callback = question(Policy(require_reason=RequireReason.REJECTION))

    no = ballot(callback.id, "ada", approved=False, reason=reason)

    assert problems_of(callback, no) == [("/reason", "a reason is required")]
    assert count_vote(callback, [], ballot(callback.id, "ada"), now=NOW).outcome is not None


@pytest.mark.parametrize("reason", ["x" * (LONGEST_REASON + 1), "a\x00b", "\ud83c"])
def test_reason_that_cannot_be_stored_is_refused(reason: str) -> None:
    callback = question()

    ((path, _),) = problems_of(callback, ballot(callback.id, "ada", reason=reason))

    assert path == "/reason"


def test_longest_reason_with_marks_of_every_kind_is_stored() -> None:
    reason = ("\u202e<script>alert(1)</script>\t\"'" * 100)[:LONGEST_REASON]
    callback = question()

    counted = count_vote(callback, [], ballot(callback.id, "ada", reason=reason), now=NOW)

    assert decision_of(counted.outcome)["reason"] == reason


def test_no_votes_decide_nothing() -> None:
    assert decide(Policy(), []) is None
    assert find_vote([], "ada") is None


def test_reprs_hide_reason_and_form() -> None:
    callback = question(TWO_OF_THREE)
    request = ballot(callback.id, "ada", reason="the secret", body=b'"the secret"')

    counted = count_vote(callback, [], request, now=NOW)

    assert "secret" not in repr([request, counted])
