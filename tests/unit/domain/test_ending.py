"""People read how a question ended, and never that something was approved before it is."""

from dataclasses import replace

import pytest

from ringback.domain.callback import Accepted, Callback, State
from ringback.domain.ending import QuestionEnding, describe_end, name_end
from ringback.domain.ids import OutcomeId
from ringback.domain.outcome import Canceled, Completed, Failed, Outcome
from ringback.domain.policy import Policy, Proof
from ringback.domain.vote import APPROVAL_DENIED, Vote
from tests import factories

APPROVED = Completed(b'{"approved":true,"by":"ada","reason":null}')
BY_LINK = Completed(b'{"approved":true,"by":"link","reason":null}')
REJECTED = Completed(b'{"approved":false,"by":"ada","reason":"too expensive"}')
DENIED = Failed("denied", APPROVAL_DENIED, details=b'[{"approved":false,"by":"ada"}]')


async def ended(
    state: State,
    outcome: Outcome = APPROVED,
    *,
    policy: Policy | None = Policy(),  # noqa: B008 - it is frozen
    is_default: bool = False,
    proof: dict[str, object] | None = None,
) -> Callback:
    callback = await factories.opened(factories.request(policy=policy))
    accepted = Accepted(
        OutcomeId("oc_1"), outcome, factories.NOW, is_default=is_default, proof=proof
    )
    return replace(callback, state=state, accepted=accepted)


async def test_open_question_has_no_end() -> None:
    assert describe_end(await factories.opened(factories.request())) is None


async def test_question_closed_without_an_answer_says_why() -> None:
    callback = await factories.opened(factories.request())
    over = replace(callback, state=State.EXPIRED, expired_because="the workflow was canceled")

    sentence = "Closed without an answer: the workflow was canceled."
    assert describe_end(over) == QuestionEnding("No longer needed", sentence)


@pytest.mark.parametrize(
    ("state", "heading", "expected"),
    [
        (
            State.ACCEPTED,
            "Accepted, not yet applied",
            "Accepted, not yet applied: approval by ada.",
        ),
        (State.APPLIED, "Approved", "Applied: approval by ada."),
        (
            State.SUPERSEDED,
            "Not used",
            "Superseded: the activity already ended (terminated at noon). Not applied: approval by"
            " ada.",
        ),
        (
            State.PARKED,
            "Accepted, not applied",
            "Accepted, not applied: approval by ada; it could not be delivered; an operator must"
            " decide.",
        ),
    ],
)
async def test_states_differ_in_their_text(state: State, heading: str, expected: str) -> None:
    proof: dict[str, object] = {"closed": "terminated", "at": "noon"}

    assert describe_end(await ended(state, proof=proof)) == QuestionEnding(heading, expected)


@pytest.mark.parametrize(
    ("outcome", "policy", "heading", "expected"),
    [
        (BY_LINK, Policy(), "Approved", "approval by somebody with the link"),
        (REJECTED, Policy(), "Rejected", "rejection by ada (too expensive)"),
        (DENIED, Policy(), "Rejected", "rejection by ada"),
        (replace(DENIED, details=None), Policy(), "Rejected", "rejection"),
        (Completed(b"not json"), Policy(), "Decided", "decided"),
        (Completed(b"[]"), Policy(), "Decided", "decided"),
        (Completed(None), Policy(), "Decided", "decided"),
        (Canceled(None), Policy(), "Canceled", "canceled"),
        (Failed("card declined"), None, "Failed", "failed: card declined"),
        (Completed(b"5"), None, "Answered", "answered"),
        (Completed(b"5"), Policy(is_decision=False), "Answered", "answered"),
    ],
)
async def test_answer_is_named(
    outcome: Outcome, policy: Policy | None, heading: str, expected: str
) -> None:
    callback = await ended(State.APPLIED, outcome, policy=policy)

    assert describe_end(callback) == QuestionEnding(heading, f"Applied: {expected}.")


def said(*, approved: bool) -> Vote:
    return Vote("ada", frozenset(), Proof.SIGNED_IN, None, approved, None, None, "", factories.NOW)


@pytest.mark.parametrize(
    ("state", "outcome", "votes", "heading"),
    [
        (State.APPLIED, Completed(None), [said(approved=True)], "Approved"),
        (State.APPLIED, Completed(None), [said(approved=False)], "Rejected"),
        (State.APPLIED, Completed(None), [], "Decided"),
        (State.APPLIED, replace(DENIED, details=None), [said(approved=False)], "Rejected"),
        (State.ACCEPTED, Completed(None), [said(approved=True)], "Accepted, not yet applied"),
    ],
)
async def test_decision_without_its_result_is_named_by_the_votes(
    state: State, outcome: Outcome, votes: list[Vote], heading: str
) -> None:
    assert name_end(await ended(state, outcome), votes) == heading


async def test_result_without_a_decision_is_named_without_votes() -> None:
    assert name_end(await ended(State.APPLIED, Completed(None), policy=None), []) == "Answered"
    assert name_end(await factories.opened(factories.request()), []) is None


async def test_default_answer_is_marked_as_one() -> None:
    callback = await ended(State.APPLIED, REJECTED, is_default=True)

    sentence = "Applied: no decision in time, so the default counts."
    assert describe_end(callback) == QuestionEnding("No decision in time", sentence)


async def test_cancellation_that_was_due_is_not_a_default_answer() -> None:
    callback = await ended(State.APPLIED, Canceled(None), is_default=True)

    assert describe_end(callback) == QuestionEnding("Canceled", "Applied: canceled.")
