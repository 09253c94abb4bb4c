"""A message shows the current state of its question."""

from dataclasses import replace

from ringback.core.notice import write_notice
from ringback.domain.callback import State
from ringback.domain.policy import Policy, Proof
from ringback.domain.vote import Vote
from tests import factories

URL = "https://ring.example/inbox/cb_1"


def vote(user: str, *, approved: bool = True, reason: str | None = None) -> Vote:
    return Vote(
        user, frozenset(), Proof.SIGNED_IN, None, approved, reason, None, "d", factories.NOW
    )


async def test_callback_without_rules_has_no_buttons_and_no_people() -> None:
    callback = await factories.opened(factories.request())

    notice = write_notice(callback, [], URL)

    assert notice.title == "charge in Order"
    assert (notice.can_approve, notice.can_reject) == (False, False)
    assert (notice.asked, notice.progress) == ([], [])


async def test_votes_and_claim_are_shown() -> None:
    callback = await factories.opened(
        factories.request(policy=Policy(assignees=("user:ada", "group:finance"), approvals=2))
    )
    votes = [vote("ada"), vote("lin", approved=False, reason="no")]

    notice = write_notice(replace(callback, claimant="ada"), votes, URL)

    assert notice.asked == ["ada", "the group finance"]
    assert notice.progress == [
        "1 of 2 approvals",
        "ada approves (signed in)",
        "lin rejects (signed in): no",
        "ada has claimed this",
    ]


async def test_result_of_a_person_is_an_answer() -> None:
    callback = await factories.opened(factories.request(policy=Policy(is_decision=False)))

    notice = write_notice(callback, [vote("ada")], URL)

    assert notice.progress == ["ada answered (signed in)"]
    assert not notice.can_reject


async def test_button_approves_where_a_yes_needs_no_form() -> None:
    for policy, can_approve in [(Policy(), False), (Policy(require_form=False), True)]:
        callback = await factories.opened(factories.request(policy=policy, result_schema="{}"))

        assert write_notice(callback, [], URL).can_approve is can_approve


async def test_ended_question_has_no_buttons_and_no_claim() -> None:
    callback = await factories.opened(factories.request(policy=Policy()))
    over = replace(callback, state=State.EXPIRED, expired_because="over", claimant="ada")

    notice = write_notice(over, [], URL)

    assert (notice.can_approve, notice.can_reject, notice.progress) == (False, False, [])
    assert notice.ended == "Closed without an answer: over."
