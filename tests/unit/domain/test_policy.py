"""Who may decide, how many must agree, and which rules nobody could meet."""

from datetime import timedelta
from typing import Any

import pytest

from ringback.domain.options import check_option
from ringback.domain.policy import (
    LINK_HOLDER,
    MOST_APPROVALS,
    MOST_ASSIGNEES,
    OnReject,
    Policy,
    Proof,
    RequireReason,
    Voter,
)
from ringback.domain.policy_checks import (
    MOST_ESCALATIONS,
    Escalation,
    check_escalated_policies,
    check_escalations,
    check_policy,
)
from ringback.domain.text_checks import LONGEST_NAME
from tests.people import BY_LINK, person

ADA, BOB, CY = "user:ada@example.org", "user:bob@example.org", "user:cy@example.org"
FINANCE = "group:finance"


@pytest.mark.parametrize(
    "voter",
    [
        person("ada@example.org"),
        person("Ada@Example.ORG"),
        person("dan@example.org", "staff", "Finance"),
        Voter("ada@example.org", proof=Proof.API_KEY, via="key_1"),
        Voter("ada@example.org", proof=Proof.CHAT),
    ],
    ids=lambda voter: f"{voter.user} {voter.proof.value}",
)
def test_assigned_person_may_decide(voter: Voter) -> None:
    assert Policy(assignees=(ADA, FINANCE)).why_not(voter) is None


@pytest.mark.parametrize(
    "voter",
    [
        person("bob@example.org"),
        person("bob@example.org", "finances", "ada@example.org"),
        person("finance"),
        person("user:ada@example.org"),
        person("group:finance"),
    ],
    ids=lambda voter: voter.user,
)
def test_person_who_is_not_assigned_may_not_decide(voter: Voter) -> None:
    why = Policy(assignees=(ADA, FINANCE)).why_not(voter)

    assert why == "you are not one of the people who may decide this"


@pytest.mark.parametrize("user", ["ada@example.org", "ADA@example.org", "Ada@Example.Org"])
@pytest.mark.parametrize("proof", [Proof.SIGNED_IN, Proof.CHAT, Proof.API_KEY])
@pytest.mark.parametrize("assignees", [(), (ADA, BOB), (FINANCE,)])
def test_excluded_user_may_not_decide_even_in_an_assigned_group(
    user: str, proof: Proof, assignees: tuple[str, ...]
) -> None:
    policy = Policy(assignees=assignees, exclude=("ada@example.org",))

    why = policy.why_not(person(user, "finance", proof=proof))

    assert why == "you may not decide this yourself"


@pytest.mark.parametrize("user", ["straße", "STRASSE", "Strasse"])
def test_users_are_compared_without_regard_to_case_in_every_script(user: str) -> None:
    assert Policy(assignees=("user:STRAẞE",)).why_not(person(user)) is None
    assert Policy(exclude=("STRAẞE",)).why_not(person(user)) is not None


@pytest.mark.parametrize(
    ("policy", "decides"),
    [
        (Policy(), True),
        (Policy(require_reason=RequireReason.ALWAYS), True),
        (Policy(is_decision=False), True),
        (Policy(assignees=(FINANCE,)), False),
        (Policy(exclude=("ada",)), False),
        (Policy(approvals=2), False),
        (Policy(link_decides=False), False),
        (Policy(assignees=(FINANCE,), exclude=("ada",), approvals=2, link_decides=True), True),
    ],
    ids=str,
)
def test_link_decides_only_without_rules_or_if_the_author_says_so(
    policy: Policy, *, decides: bool
) -> None:
    assert (policy.why_not(BY_LINK) is None) is decides
    assert policy.link_may_decide is decides


def test_person_named_like_the_holder_of_a_link_is_not_one() -> None:
    policy = Policy(assignees=(ADA,), link_decides=True)

    assert policy.why_not(Voter(LINK_HOLDER, proof=Proof.API_KEY)) is not None


@pytest.mark.parametrize(
    ("policy", "approvals", "rejections"),
    [
        (Policy(), 1, 1),
        (Policy(approvals=3), 3, 1),
        (Policy(approvals=3, veto=False), 3, 3),
        (Policy(approvals=2, assignees=(FINANCE, ADA, BOB), veto=False), 2, 2),
        (Policy(approvals=2, assignees=(ADA, BOB, CY), veto=False), 2, 2),
        (Policy(approvals=3, assignees=(ADA, BOB, CY), veto=False), 3, 1),
        (Policy(approvals=1, assignees=(ADA, BOB, CY), veto=False), 1, 3),
        (Policy(approvals="majority", assignees=(ADA, BOB, CY), veto=False), 2, 2),
        (Policy(approvals="majority", assignees=(ADA, BOB), veto=False), 2, 1),
        (Policy(approvals="majority", assignees=(ADA, BOB, CY)), 2, 1),
        (
            Policy(approvals=2, assignees=(ADA, BOB, CY), exclude=("CY@example.org",), veto=False),
            2,
            1,
        ),
        (Policy(approvals=2, assignees=(ADA, BOB), veto=False, link_decides=True), 2, 2),
    ],
    ids=str,
)
def test_rejections_needed_leave_approval_out_of_reach(
    policy: Policy, approvals: int, rejections: int
) -> None:
    assert (policy.approvals_needed, policy.rejections_needed) == (approvals, rejections)


@pytest.mark.parametrize(
    ("rule", "of_yes", "of_no"),
    [
        (RequireReason.NEVER, False, False),
        (RequireReason.REJECTION, False, True),
        (RequireReason.ALWAYS, True, True),
    ],
)
def test_reason_is_needed_as_the_rule_says(
    rule: RequireReason, *, of_yes: bool, of_no: bool
) -> None:
    policy = Policy(require_reason=rule)

    assert policy.needs_reason(approved=True) is of_yes
    assert policy.needs_reason(approved=False) is of_no


def test_policy_survives_plain_json() -> None:
    policy = Policy(
        is_decision=True,
        assignees=(ADA, FINANCE),
        exclude=("bob@example.org",),
        approvals=2,
        veto=False,
        require_reason=RequireReason.REJECTION,
        on_reject=OnReject.FAIL,
        require_form=False,
        link_decides=False,
    )

    assert Policy.from_plain(policy.to_plain()) == policy
    assert Policy.from_plain({}) == Policy()


def test_names_that_differ_only_in_case_count_once() -> None:
    policy = Policy.from_plain({"assignees": [ADA, ADA.upper().replace("USER", "user"), BOB]})

    assert policy.assignees == (ADA, BOB)


@pytest.mark.parametrize(
    "plain",
    [
        None,
        {},
        {"assignees": [ADA, FINANCE], "approvals": MOST_APPROVALS},
        {"assignees": [ADA, BOB, CY], "approvals": "majority", "exclude": ["cy@example.org"]},
        {"assignees": ["user:a:b", "group:x y"], "exclude": ["Ada Lovelace"]},
        {"assignees": [ADA, BOB], "approvals": 3, "link_decides": True},
        {"is_decision": False, "assignees": [FINANCE]},
        {"require_form": False, "assignees": [ADA], "approvals": "majority"},
    ],
    ids=str,
)
def test_policy_that_people_can_meet_is_accepted(plain: dict[str, Any] | None) -> None:
    check_policy(plain)
    check_option("policy", plain)


@pytest.mark.parametrize(
    ("plain", "why"),
    [
        ({"assignees": ADA}, "must be a list"),
        ({"assignees": [ADA] * (MOST_ASSIGNEES + 1)}, f"at most {MOST_ASSIGNEES}"),
        ({"assignees": ["ada"]}, "write user:"),
        ({"assignees": ["user:"]}, "write user:"),
        ({"assignees": ["user: ada"]}, "write user:"),
        ({"assignees": ["team:finance"]}, "write user:"),
        ({"assignees": [5]}, "not a name"),
        ({"assignees": [""]}, "not a name"),
        ({"assignees": ["user:ada "]}, "not a name"),
        ({"assignees": ["user:ada\u202e"]}, "not a name"),
        ({"assignees": ["user:" + "x" * LONGEST_NAME]}, "not a name"),
        ({"exclude": ["ada\n"]}, "not a name"),
        ({"exclude": [ADA]}, "write the name of the user alone"),
        ({"exclude": [FINANCE]}, "write the name of the user alone"),
        ({"require_reason": "sometimes"}, "require_reason must be"),
        ({"on_reject": None}, "on_reject must be"),
        ({"approvals": 0}, "approvals must be"),
        ({"approvals": True}, "approvals must be"),
        ({"approvals": 1.0}, "approvals must be"),
        ({"approvals": MOST_APPROVALS + 1}, "approvals must be"),
        ({"approvals": "all"}, "approvals must be"),
        ({"approvals": "majority"}, "groups have no known size"),
        ({"approvals": "majority", "assignees": [ADA, FINANCE]}, "groups have no known size"),
        ({"is_decision": False, "approvals": 2}, "the first decides"),
        ({"require_form": False, "approvals": 2}, "approve different forms"),
        ({"assignees": [ADA], "approvals": 2}, "only 1 may decide"),
        ({"assignees": [ADA, ADA.replace("ada", "ADA")], "approvals": 2}, "only 1 may"),
        ({"assignees": [ADA], "exclude": ["Ada@example.org"]}, "only 0 may decide"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_policy_that_nobody_could_meet_is_rejected(plain: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_policy(plain)


def test_escalation_survives_plain_json() -> None:
    step = Escalation(timedelta(hours=2), (FINANCE,))

    assert Escalation.from_plain(step.to_plain()) == step
    assert Escalation.from_plain({"after": step.after, "assignees": [FINANCE]}) == step


def test_valid_escalations_are_accepted() -> None:
    check_escalations([])
    check_option("escalate", [{"after": 60, "assignees": [ADA, FINANCE]}])


@pytest.mark.parametrize(
    ("plain", "why"),
    [
        ([{"after": 60, "assignees": [ADA]}] * (MOST_ESCALATIONS + 1), "at most 10 steps"),
        ([{"after": 0, "assignees": [ADA]}], "escalate"),
        ([{"after": 60, "assignees": ["ada"]}], "write user:"),
    ],
)
def test_invalid_escalation_is_rejected(plain: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_escalations(plain)


_MINUTE = {"after": 60, "assignees": [BOB]}
_HOUR = {"after": 3600, "assignees": [FINANCE]}


@pytest.mark.parametrize(
    ("policy", "escalate"),
    [
        (None, [_HOUR]),
        ({"approvals": 2}, [_HOUR]),
        ({"assignees": [ADA], "approvals": "majority"}, []),
        ({"assignees": [ADA], "approvals": "majority"}, [_MINUTE]),
        ({"assignees": [ADA, BOB], "approvals": 2}, [_MINUTE, _HOUR]),
    ],
    ids=str,
)
def test_policy_that_can_be_met_after_each_escalation_is_accepted(
    policy: dict[str, Any] | None, escalate: list[dict[str, Any]]
) -> None:
    check_escalated_policies(policy, escalate)


@pytest.mark.parametrize(
    ("policy", "escalate", "why"),
    [
        (
            {"assignees": [ADA], "approvals": "majority"},
            [_HOUR, _MINUTE],
            "step 1 .* name users, or set approvals to a number",
        ),
        (
            {"assignees": [ADA]},
            [_MINUTE, {"after": 61, "assignees": [f"user:{n}" for n in range(MOST_ASSIGNEES - 1)]}],
            f"step 2 .* at most {MOST_ASSIGNEES}",
        ),
        (
            {"assignees": [ADA], "approvals": "majority", "exclude": ["bob@example.org"]},
            [_MINUTE],
            "step 1 .* 2 approvals are needed, but only 1 may decide",
        ),
    ],
    ids=["group in a majority", "too many", "more are needed than may"],
)
def test_escalation_to_a_policy_that_nobody_could_meet_is_rejected(
    policy: dict[str, Any], escalate: list[dict[str, Any]], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        check_escalated_policies(policy, escalate)
