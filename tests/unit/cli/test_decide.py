"""A decision takes the shape that the activity returns, and loses nothing that was said."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from pydantic import BaseModel, ConfigDict
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter

from ringback.app.stores import opened_store
from ringback.app.system import SystemClock
from ringback.cli.decide import Decision, approve, reject
from ringback.domain.callback import Callback
from ringback.domain.errors import MalformedAnswerError
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import Completed, Failed, Outcome
from ringback.result_schema.generate import generate_schema
from ringback.settings import Settings
from tests import factories


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


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "ann")
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")


def opened(tmp_path: Path, result_type: Any, converter: DataConverter | None = None) -> CallbackId:
    """Open a callback whose activity returns `result_type`."""
    schema = generate_schema(result_type, converter=converter or DataConverter.default)

    async def fill() -> CallbackId:
        async with opened_store(Settings(data=tmp_path), SystemClock()) as store:
            (callback,) = await store.open([factories.wish(result_schema=schema)])
            return callback.id

    return asyncio.run(fill())


def outcome_of(tmp_path: Path, callback_id: CallbackId) -> Outcome | None:
    async def look() -> Callback:
        async with opened_store(Settings(data=tmp_path), SystemClock()) as store:
            return (await store.find([callback_id]))[callback_id]

    accepted = asyncio.run(look()).accepted
    return None if accepted is None else accepted.outcome


@pytest.mark.parametrize(
    ("result_type", "converter", "result"),
    [
        (object, None, {"approved": True, "by": "ann"}),
        (Approval, None, {"approved": True, "by": "ann"}),
        (Bare, pydantic_data_converter, {"approved": True}),
        (bool, None, True),
    ],
)
def test_an_approval_is_as_full_as_the_activity_takes_it(
    tmp_path: Path, result_type: Any, converter: DataConverter | None, result: object
) -> None:
    callback_id = opened(tmp_path, result_type, converter)

    approve(callback_id)

    found = outcome_of(tmp_path, callback_id)
    assert isinstance(found, Completed)
    assert json.loads(found.result or b"") == result


@pytest.mark.parametrize(("by", "reason"), [("bob", None), (None, "fine")])
def test_what_was_said_on_purpose_is_never_dropped(
    tmp_path: Path, by: str | None, reason: str | None
) -> None:
    callback_id = opened(tmp_path, bool)

    with pytest.raises(MalformedAnswerError, match="give the whole result with --result"):
        approve(callback_id, by=by, reason=reason)

    assert outcome_of(tmp_path, callback_id) is None


def test_an_activity_that_returns_something_else_is_not_approved(tmp_path: Path) -> None:
    callback_id = opened(tmp_path, Receipt)

    with pytest.raises(MalformedAnswerError, match="number"):
        approve(callback_id)

    assert outcome_of(tmp_path, callback_id) is None


def test_any_other_result_can_be_given_whole(tmp_path: Path) -> None:
    callback_id = opened(tmp_path, Receipt)

    approve(callback_id, result='{"number":  "r-1"}')

    assert outcome_of(tmp_path, callback_id) == Completed(b'{"number":  "r-1"}')


@pytest.mark.parametrize("result", ["false", '{"approved": false}'])
def test_approve_refuses_a_result_that_says_no(tmp_path: Path, result: str) -> None:
    callback_id = opened(tmp_path, object)

    with pytest.raises(typer.BadParameter, match="ringback reject"):
        approve(callback_id, result=result)

    assert outcome_of(tmp_path, callback_id) is None


def test_a_rejection_is_final_and_says_who_and_why(tmp_path: Path) -> None:
    callback_id = opened(tmp_path, Approval)

    reject(callback_id, reason="too expensive")

    found = outcome_of(tmp_path, callback_id)
    assert isinstance(found, Failed)
    assert (found.message, found.type) == ("approval denied: too expensive", "ApprovalDenied")
    assert found.non_retryable
    assert json.loads(found.details or b"") == [
        {"approved": False, "by": "ann", "reason": "too expensive"}
    ]


def test_who_gives_no_reason_is_not_said_to_have_one() -> None:
    failed = Decision(by="bob", user=None, reason=None).rejection()

    assert failed.message == "approval denied"
    assert failed.details == b'[{"approved": false, "by": "bob"}]'


def test_a_decision_without_a_name_has_none() -> None:
    first = next(Decision(by=None, user=None, reason=None).approvals())

    assert first == b'{"approved": true}'
