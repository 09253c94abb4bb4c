"""Votes of people by command, and who is asked."""

import json

import pytest

from ringback.domain.outcome import Completed
from ringback.domain.policy import Policy
from tests.unit.cli.commands import Served, ringback

RULES = Policy(assignees=("user:ann", "user:bob"), approvals=2)


@pytest.fixture(autouse=True)
def _ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")


def test_two_people_approve_and_the_second_decides(gateway: Served) -> None:
    callback_id = gateway.asked(policy=RULES).id

    first = ringback("approve", callback_id)
    again = ringback("approve", callback_id)
    second = ringback("approve", callback_id, "--by", "bob", "--reason", "fine")

    assert "more people must decide" in first.out
    assert again.code == 0
    assert "accepted: it is stored" in second.out
    outcome = gateway.outcome_of(callback_id)
    assert isinstance(outcome, Completed)
    assert [vote["by"] for vote in json.loads(outcome.result or b"")["votes"]] == ["ann", "bob"]


def test_person_who_is_not_asked_is_refused(gateway: Served) -> None:
    callback_id = gateway.asked(policy=RULES).id

    ran = ringback("approve", callback_id, "--by", "eve", "--group", "finance")

    assert ran.code == 1
    assert "not one of the people who may decide" in ran.err
    assert "in the name of eve, with --group finance; name the person with --by" in ran.err


@pytest.mark.parametrize("command", ["approve", "reject", "claim"])
def test_os_user_who_is_not_asked_is_told_how_to_name_the_person(
    gateway: Served, command: str
) -> None:
    callback_id = gateway.asked(policy=Policy(assignees=("group:finance",))).id

    ran = ringback(command, callback_id)

    assert ran.code == 1
    assert "in the name of ann, without --group; name the person with --by, and each" in ran.err


def test_form_is_sent_beside_an_approval(gateway: Served) -> None:
    schema = json.dumps({"type": "object", "required": ["euros"]})
    callback_id = gateway.asked(policy=Policy(), result_schema=schema).id

    without = ringback("approve", callback_id)
    ran = ringback("approve", callback_id, "--form", '{"euros": 1.50}')

    assert (without.code, ran.code) == (1, 0)
    assert "/form" in without.err
    outcome = gateway.outcome_of(callback_id)
    assert isinstance(outcome, Completed)
    assert json.loads(outcome.result or b"")["form"] == {"euros": 1.5}


def test_numbers_of_a_form_arrive_as_they_were_typed(gateway: Served) -> None:
    callback_id = gateway.asked(policy=Policy(), result_schema="{}").id

    ringback("approve", callback_id, "--form", '{"euros": 1.50}')

    outcome = gateway.outcome_of(callback_id)
    assert isinstance(outcome, Completed)
    assert b'{"euros": 1.50}' in (outcome.result or b"")


def test_rejection_by_rules_is_a_result_with_its_reason(gateway: Served) -> None:
    callback_id = gateway.asked(policy=Policy(assignees=("group:finance",))).id

    ran = ringback("reject", callback_id, "--group", "finance", "--reason", "too expensive")

    assert ran.out.startswith(f"{callback_id} rejected; ")
    outcome = gateway.outcome_of(callback_id)
    assert isinstance(outcome, Completed)
    decision = json.loads(outcome.result or b"")
    assert (decision["approved"], decision["by"], decision["reason"]) == (
        False,
        "ann",
        "too expensive",
    )


def test_named_person_gives_the_result_itself(gateway: Served) -> None:
    callback_id = gateway.asked(policy=Policy(is_decision=False, assignees=("user:ann",))).id

    shown = ringback("show", callback_id).out
    missing = ringback("approve", callback_id)
    no = ringback("reject", callback_id)
    given = ringback("approve", callback_id, "--result", '{"euros": 1.50}')

    assert f"ringback approve {callback_id} --by USER --result RESULT" in shown
    assert (missing.code, no.code, given.code) == (2, 1, 0)
    assert "give it with --result" in missing.err
    assert "nothing to reject" in no.err
    assert gateway.outcome_of(callback_id) == Completed(b'{"euros": 1.50}')


@pytest.mark.parametrize(
    ("is_decision", "words"), [(True, ["--result", "true"]), (False, ["--form", "{}"])]
)
def test_form_and_result_are_not_confused(
    gateway: Served, *, is_decision: bool, words: list[str]
) -> None:
    callback_id = gateway.asked(policy=Policy(is_decision=is_decision)).id

    ran = ringback("approve", callback_id, *words)

    assert (ran.code, gateway.outcome_of(callback_id)) == (2, None)
    assert f"instead of {words[0]}" in ran.err


def test_vote_on_another_version_is_refused(gateway: Served) -> None:
    callback_id = gateway.asked(policy=Policy(), title="Refund 42?").id
    digest = ringback("show", callback_id, "--json").json["digest"]

    stale = ringback("approve", callback_id, "--digest", "0" * 32)
    current = ringback("approve", callback_id, "--digest", digest)

    assert (stale.code, current.code) == (1, 0)
    assert "changed" in stale.err


def test_votes_are_listed_and_withdrawn(gateway: Served) -> None:
    callback_id = gateway.asked(policy=RULES).id
    empty = ringback("votes", callback_id)
    ringback("approve", callback_id, "--reason", "fine")

    listed = ringback("votes", callback_id)
    as_json = ringback("votes", callback_id, "--json")
    withdrawn = ringback("withdraw", callback_id)

    assert empty.out == "no votes\n"
    assert "ann  approved: fine  (API key)" in listed.out
    assert as_json.json["votes"][0]["by"] == "ann"
    assert withdrawn.code == 0
    assert ringback("votes", callback_id).out == "no votes\n"
    assert ringback("approve", callback_id).code == 0
    assert "ann  approved" in ringback("votes", callback_id).out


def test_question_is_claimed_released_and_reassigned(gateway: Served) -> None:
    callback_id = gateway.asked(policy=Policy(assignees=("user:ann", "user:bob"))).id

    claimed = ringback("claim", callback_id)
    blocked = ringback("approve", callback_id, "--by", "bob")
    released = ringback("release", callback_id)
    reassigned = ringback("reassign", callback_id, "user:carl", "group:board")
    refused = ringback("approve", callback_id)

    assert claimed.out == f"{callback_id} is claimed by ann\n"
    assert "ann has claimed this" in blocked.err
    assert released.code == 0
    assert reassigned.out == f"{callback_id} asks user:carl, group:board\n"
    assert refused.code == 1


def test_show_names_the_commands_that_decide(gateway: Served) -> None:
    callback_id = gateway.asked(policy=RULES).id

    shown = ringback("show", callback_id).out

    assert f"ringback approve {callback_id} --by USER\n" in shown
    assert f"ringback reject {callback_id} --by USER" in shown
    assert "ringback complete" not in shown


def test_show_names_a_group_and_the_form_that_changes_a_call(gateway: Served) -> None:
    schema = {"type": "object", "properties": {"order": {"type": "string"}}}
    filled_in = json.dumps({**schema, "default": {"order": "17"}})
    policy = Policy(assignees=("group:finance", "group:board"), require_form=False)
    call = gateway.asked(policy=policy, result_schema=filled_in).id
    empty = gateway.asked(policy=Policy(require_form=False), result_schema=json.dumps(schema)).id

    shown, other = ringback("show", call).out, ringback("show", empty).out

    who = f"ringback approve {call} --by USER --group finance"
    assert f"  {who}\n" in shown
    assert f"""  {who} --form '{{"order": "17"}}'  (with changes)\n""" in shown
    assert f"ringback reject {call} --by USER --group finance --reason 'why'" in shown
    assert f"  ringback approve {empty} --by USER\n" in other
    assert f"  ringback approve {empty} --by USER --form FORM" in other


def test_show_has_who_is_asked_votes_claimant_and_a_form_that_would_do(gateway: Served) -> None:
    schema = json.dumps({"type": "object", "properties": {"n": {"const": 5}}, "required": ["n"]})
    policy = Policy(assignees=("user:ann", "user:bob"), approvals=2)
    two = gateway.asked(policy=policy, result_schema=schema).id
    one = gateway.asked(policy=Policy(assignees=("user:ann",))).id
    ringback("approve", two, "--reason", "fine", "--form", '{"n": 5}')
    ringback("claim", one)

    shown = ringback("show", two)
    as_json = ringback("show", two, "--json").json

    assert "user:bob" in shown.out
    assert "ann  approved: fine  (API key)" in shown.out
    assert f"ringback approve {two} --by USER --form FORM" in shown.out
    assert [vote["by"] for vote in as_json["votes"]] == ["ann"]
    assert "claimant" in ringback("show", one).out
