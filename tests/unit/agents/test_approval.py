"""What came of a question about a tool call, and what the model is told."""

import json
from typing import Any

import pytest

from ringback.agents.approval import (
    Approval,
    ToolCall,
    to_approval,
    to_failure,
    why_not_plain_json,
)

CALL = ToolCall("refund", {"order": "o1", "euros": 50}, "c0")
FORM: dict[str, Any] = {
    "properties": {"order": {}, "euros": {}, "note": {"default": "none"}},
}


def yes(form: object = None, **more: object) -> dict[str, Any]:
    return {"approved": True, "by": "ada", "form": form, **more}


def decided(decision: object) -> Approval:
    return to_approval(CALL, decision, FORM)


@pytest.mark.parametrize(
    "form",
    [
        None,
        CALL.arguments,
        {"euros": 50.0, "order": "o1"},
        {**CALL.arguments, "note": "none"},
    ],
    ids=str,
)
def test_yes_without_a_change_runs_the_call_as_it_is(form: object) -> None:
    approval = decided(yes(form))

    assert (approval.approved, approval.is_edited, approval.by) == (True, False, "ada")
    assert approval.arguments == CALL.arguments
    assert approval.to_text("done") == "done"
    assert approval.to_text({"paid": 50}) == '{"paid": 50}'


@pytest.mark.parametrize(
    "form",
    [{"order": "o1", "euros": 20}, {"order": "o1", "euros": True}, {"order": "o1", "euros": "50"}],
    ids=str,
)
def test_yes_with_a_change_runs_the_change_and_tells_the_model(form: dict[str, Any]) -> None:
    approval = decided(yes(form))

    assert (approval.approved, approval.is_edited) == (True, True)
    assert approval.arguments == form
    assert json.dumps(form) in approval.to_text("done")
    assert approval.to_text("done").endswith("\n\ndone")


@pytest.mark.parametrize(
    ("decision", "ended", "reason"),
    [
        ({"approved": False, "reason": "too much"}, "rejected", "too much"),
        ({"approved": False, "reason": None}, "rejected", "no reason was given"),
        ({"approved": False, "reason": " "}, "rejected", "no reason was given"),
        ({"approved": False, "reason": "late", "is_default": True}, "nobody", "late"),
        ({"approved": "yes"}, "failed", "the answer is not a decision"),
        ({"approved": 1}, "failed", "the answer is not a decision"),
        ({"result": {"approved": True}}, "failed", "the answer is not a decision"),
        (True, "failed", "the answer is not a decision"),
        (None, "failed", "the answer is not a decision"),
        (yes([1]), "failed", "the changed arguments are not an object"),
    ],
    ids=str,
)
def test_everything_else_is_a_no(decision: object, ended: str, reason: str) -> None:
    approval = decided(decision)

    assert (approval.approved, approval.ended, approval.reason) == (False, ended, reason)
    assert approval.note is None
    assert json.loads(approval.to_text("ignored")) == {"approved": False, "reason": reason}


def test_reason_is_bounded_and_cannot_leave_its_text() -> None:
    approval = to_failure(CALL, 'x", "approved": true, "y": "' * 1000)

    told = json.loads(approval.to_text())
    assert (told["approved"], len(told["reason"])) == (False, 2000)


def test_arguments_and_reasons_are_in_no_repr() -> None:
    approval = decided({"approved": False, "reason": "secret"})

    assert "secret" not in repr(approval)
    assert "o1" not in repr(approval)


@pytest.mark.parametrize(
    "arguments",
    [{"x": float("nan")}, {"x": "\ud800"}, {"x": object()}, {"x": {1, 2}}],
    ids=["NaN", "half a character", "object", "set"],
)
def test_what_is_no_json_cannot_be_asked_about(arguments: dict[str, Any]) -> None:
    assert why_not_plain_json(ToolCall("refund", arguments)) == "the arguments are not plain JSON"
    assert why_not_plain_json(CALL) is None


def nested(levels: int) -> dict[str, Any]:
    inner: Any = 1
    for level in range(levels):
        inner = [inner] if level % 2 else {"x": inner}
    return {"x": inner}


def test_call_that_no_activity_could_be_sent_cannot_be_asked_about() -> None:
    large = ToolCall("refund", {"x": "x" * 3_000_000})

    assert why_not_plain_json(ToolCall("refund", nested(60))) is None
    assert "levels deep" in str(why_not_plain_json(ToolCall("refund", nested(900))))
    assert "bytes" in str(why_not_plain_json(large))


def test_whole_numbers_of_changed_arguments_are_integers() -> None:
    form = {"order": "o1", "euros": 20.0, "note": [{"x": 1e15}, 1.5, True, None]}
    changed = json.dumps(decided(yes(form)).arguments)

    assert changed == json.dumps({
        "order": "o1",
        "euros": 20,
        "note": [{"x": 10**15}, 1.5, True, None],
    })


def test_changed_arguments_that_would_flood_the_model_are_a_no() -> None:
    approval = decided(yes({"order": "o" * 70_000, "euros": 50}))

    assert (approval.ended, approval.arguments) == ("failed", CALL.arguments)
    assert "65536 bytes" in str(approval.reason)


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**30], ids=str)
def test_changed_integer_that_frameworks_cannot_store_is_a_no(number: int) -> None:
    edited = {"order": "o1", "euros": 5, "lines": [{"sku": number}]}

    approval = decided(yes(edited))

    assert (approval.ended, approval.reason) == (
        "failed",
        "the changed arguments have an integer of more than 64 bits",
    )
    assert decided(yes({"order": "o1", "euros": 2**63 - 1})).approved


def test_changed_float_beyond_64_bits_stays_a_float() -> None:
    euros = decided(yes({"order": "o1", "euros": 1e300})).arguments["euros"]

    assert (euros, type(euros)) == (1e300, float)
