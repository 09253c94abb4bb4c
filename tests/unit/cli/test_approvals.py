"""A decision fits the activity's result type, and drops nothing that the approver gave."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter

from ringback.cli.approvals import DecisionToSend
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed, Failed
from ringback.result_schema.generate import generate_schema
from tests.unit.cli.commands import Served, ringback


@dataclass
class Approval:
    approved: bool
    by: str
    reason: str = ""


class Bare(BaseModel):
    model_config = ConfigDict(extra="forbid")

    approved: bool


@dataclass
class Receipt:
    number: str


@dataclass
class Lenient:
    """Accepts every object, and reads nothing of it."""

    number: str = ""


@dataclass
class Wrapped:
    approval: Approval


@dataclass
class Strict:
    approved: bool
    limit: int


@pytest.fixture(autouse=True)
def _ann(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "ann")


def opened(gateway: Served, result_type: Any, converter: DataConverter | None = None) -> CallbackId:
    """Open a callback whose activity returns `result_type`."""
    schema = generate_schema(result_type, converter=converter or DataConverter.default)
    return gateway.asked(result_schema=schema).id


@pytest.mark.parametrize(
    ("result_type", "converter", "result"),
    [
        (object, None, {"approved": True, "by": "ann"}),
        (Approval, None, {"approved": True, "by": "ann"}),
        (Bare, pydantic_data_converter, {"approved": True}),
        (bool, None, True),
    ],
)
def test_approval_has_the_fields_of_the_result_type(
    gateway: Served, result_type: Any, converter: DataConverter | None, result: object
) -> None:
    callback_id = opened(gateway, result_type, converter)

    ran = ringback("approve", callback_id)

    assert ran.code == 0, ran.err
    found = gateway.outcome_of(callback_id)
    assert isinstance(found, Completed)
    assert json.loads(found.result or b"") == result


@pytest.mark.parametrize("words", [["--by", "bob"], ["--reason", "fine"]])
def test_explicit_name_or_reason_is_never_dropped(gateway: Served, words: list[str]) -> None:
    callback_id = opened(gateway, bool)

    ran = ringback("approve", callback_id, *words)

    assert ran.code == 1
    assert "give the whole result with --result" in ran.err

    assert gateway.outcome_of(callback_id) is None


def test_approve_refuses_another_result_type(gateway: Served) -> None:
    callback_id = opened(gateway, Receipt)

    ran = ringback("approve", callback_id)

    assert ran.code == 1
    assert "number" in ran.err
    assert gateway.outcome_of(callback_id) is None


def test_result_option_approves_another_type(gateway: Served) -> None:
    callback_id = opened(gateway, Receipt)

    ran = ringback("approve", callback_id, "--result", '{"number":  "r-1"}')

    assert ran.code == 0, ran.err
    assert gateway.outcome_of(callback_id) == Completed(b'{"number":  "r-1"}')


@pytest.mark.parametrize("result", ["false", '{"approved": false}'])
def test_approve_refuses_a_result_that_says_no(gateway: Served, result: str) -> None:
    callback_id = opened(gateway, object)

    ran = ringback("approve", callback_id, "--result", result)

    assert ran.code == 2
    assert "ringback reject" in ran.err
    assert gateway.outcome_of(callback_id) is None


@pytest.mark.parametrize("result_type", [object, dict, Receipt, Lenient, Wrapped])
def test_rejection_is_a_final_failure_where_a_result_has_no_place_for_it(
    gateway: Served, result_type: Any
) -> None:
    callback_id = opened(gateway, result_type)

    ran = ringback("reject", callback_id, "--reason", "too expensive")

    assert ran.code == 0, ran.err
    found = gateway.outcome_of(callback_id)
    assert isinstance(found, Failed)
    assert (found.message, found.type) == ("approval denied: too expensive", "ApprovalDenied")
    assert found.non_retryable
    assert json.loads(found.details or b"") == [
        {"approved": False, "by": "ann", "reason": "too expensive"}
    ]


@pytest.mark.parametrize(
    ("result_type", "result"),
    [
        (Approval, {"approved": False, "by": "ann"}),
        (Approval | None, {"approved": False, "by": "ann"}),
        (bool, False),
        (bool | None, False),
    ],
)
def test_rejection_is_a_result_where_the_result_type_has_a_no(
    gateway: Served, result_type: Any, result: object
) -> None:
    callback_id = opened(gateway, result_type)

    ran = ringback("reject", callback_id)

    assert ran.code == 0, ran.err
    found = gateway.outcome_of(callback_id)
    assert isinstance(found, Completed)
    assert json.loads(found.result or b"") == result


@pytest.mark.parametrize(
    ("result_type", "words"), [(bool, ["--reason", "too expensive"]), (Strict, [])]
)
def test_no_that_does_not_fit_the_result_type_is_refused(
    gateway: Served, result_type: Any, words: list[str]
) -> None:
    callback_id = opened(gateway, result_type)

    ran = ringback("reject", callback_id, *words)

    assert ran.code == 1
    assert f"ringback complete {callback_id} RESULT" in ran.err
    assert gateway.outcome_of(callback_id) is None


def test_name_beside_a_whole_result_is_refused(gateway: Served) -> None:
    callback_id = opened(gateway, bool)

    ran = ringback("approve", callback_id, "--result", "true", "--by", "ann")

    assert (ran.code, gateway.outcome_of(callback_id)) == (2, None)
    assert "the approver and the reason" in ran.err


@pytest.mark.parametrize(
    "words", [["--form", "{}"], ["--group", "finance"], ["--digest", "0" * 32]]
)
def test_option_of_votes_is_refused_without_people_rules(gateway: Served, words: list[str]) -> None:
    callback_id = opened(gateway, bool)

    ran = ringback("approve", callback_id, *words)

    assert (ran.code, gateway.outcome_of(callback_id)) == (2, None)
    assert words[0] in ran.err


def test_denial_without_a_reason_has_none() -> None:
    failed = DecisionToSend(approved=False, by="bob").denial()

    assert failed.message == "approval denied"
    assert failed.details == b'[{"approved": false, "by": "bob"}]'


def test_decision_without_a_name_has_none() -> None:
    first = next(DecisionToSend(approved=True).results())

    assert first == b'{"approved": true}'


def test_same_approval_again_is_a_duplicate_whatever_its_shape(gateway: Served) -> None:
    callback_id = opened(gateway, bool)

    first = ringback("approve", callback_id, "--json")
    again = ringback("approve", callback_id, "--json")
    other = ringback("reject", callback_id)

    assert [one.json["duplicate"] for one in (first, again)] == [False, True]
    assert (other.code, other.err) == (1, "ringback: another answer was accepted first\n")


def test_approve_help_speaks_of_its_own_options_only() -> None:
    for command in ("approve", "reject"):
        assert "--callback" not in ringback(command, "--help").out
