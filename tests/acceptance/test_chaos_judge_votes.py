"""The judge of `make chaos` finds a lost vote, one that counts twice, and a wrong decision."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from chaos.ballots import PEOPLE, Ballot, Step, plan_ballots
from chaos.evidence import Harm
from chaos.judge_votes import judge_votes
from chaos.ledger import Entry
from chaos.senders import Reply
from chaos.values import chance

COUNTED = Reply(202, "cb_1", "open", is_duplicate=False)
DECIDED = Reply(202, "cb_1", "accepted", is_duplicate=False)
TOO_LATE = Reply(409, None, None, is_duplicate=False)
GONE = Reply(410, None, None, is_duplicate=False)

ENTRY = Entry(
    callback_id="cb_1",
    workflow_id="chaos-0",
    state="applied",
    attempt=1,
    outcome_id="oc_1",
    kind="completed",
    values=["w0q0r1a0z"],
    proof={},
    last_error=None,
    verdicts=["applied"],
    votes={"ada": True, "bob": True},
    voted=["ada", "ada", "bob"],
    withdrawn=["ada"],
    decision=True,
    decided_by=["ada", "bob"],
)


def clean() -> list[Ballot]:
    return [
        Ballot("ada", (False, None, True), steps(COUNTED, "n-") + steps(DECIDED, "y")),
        Ballot("bob", (True,), steps(COUNTED, "y")),
        Ballot("cy", (False,), steps(TOO_LATE, "n")),
    ]


def steps(reply: Reply, said: str) -> list[Step]:
    """Return steps with this reply: `y` and `n` vote, `-` withdraws."""
    meaning = {"y": True, "n": False, "-": None}
    return [Step(meaning[one], reply) for one in said]


def harms(entry: Entry, ballots: Sequence[Ballot] | None = None) -> set[Harm]:
    return {one.harm for one in judge_votes(entry, clean() if ballots is None else list(ballots))}


def test_clean_votes_have_no_findings() -> None:
    assert harms(ENTRY) == set()


def test_counted_vote_that_is_not_stored_is_lost() -> None:
    gone = replace(ENTRY, votes={"ada": True}, voted=["ada"], withdrawn=[], decided_by=["ada"])

    assert Harm.LOST in harms(gone)


def test_vote_stored_as_the_opposite_is_lost() -> None:
    assert Harm.LOST in harms(replace(ENTRY, votes={"ada": True, "bob": False}))


def test_withdrawn_vote_that_still_counts_is_lost() -> None:
    ballots = clean()
    ballots[1] = Ballot("bob", (True, None), steps(COUNTED, "y-"))

    assert Harm.LOST in harms(ENTRY, ballots)


@pytest.mark.parametrize(
    "change",
    [
        {"voted": ["ada", "ada", "bob", "bob"]},
        {"withdrawn": []},
        {"voted": ["ada", "bob"]},
    ],
    ids=str,
)
def test_vote_that_was_counted_twice_or_never_is_double(change: dict[str, Any]) -> None:
    assert Harm.DOUBLE in harms(replace(ENTRY, **change))


@pytest.mark.parametrize(
    "change",
    [
        {"decision": False},
        {"decision": None},
        {"decided_by": ["ada"]},
        {"decided_by": ["ada", "bob", "bob"]},
        {"decided_by": ["ada", "bob", "cy"]},
    ],
    ids=str,
)
def test_decision_that_differs_from_the_votes_is_wrong(change: dict[str, Any]) -> None:
    assert harms(replace(ENTRY, **change)) == {Harm.WRONG}


def test_decision_without_enough_votes_is_wrong() -> None:
    one = replace(ENTRY, votes={"ada": True}, voted=["ada"], withdrawn=[], decided_by=["ada"])
    ballots = [Ballot("ada", (True,), steps(DECIDED, "y"))]

    assert harms(one, ballots) == {Harm.WRONG}


def test_refused_vote_that_is_stored_is_wrong() -> None:
    ballots = clean()
    ballots[1] = Ballot("bob", (True,), steps(TOO_LATE, "y"))

    assert harms(ENTRY, ballots) == {Harm.WRONG}


@pytest.mark.parametrize("reply", [TOO_LATE, GONE, Reply(422, None, None, is_duplicate=False)])
def test_vote_refused_while_it_is_open_is_wrong(reply: Reply) -> None:
    undecided: dict[str, Any] = {"votes": {}, "voted": [], "withdrawn": [], "decided_by": []}
    undecided |= {"state": "open", "outcome_id": None, "decision": None}
    entry = replace(ENTRY, **undecided)

    assert harms(entry, [Ballot("cy", (False,), steps(reply, "n"))]) == {Harm.WRONG}


def test_plan_of_votes_depends_on_the_seed_alone() -> None:
    one, other = (plan_ballots(chance(7, "ballots")) for _ in range(2))

    assert one == other
    assert [ballot.user for ballot in one] == list(PEOPLE)
