"""A decision, as activities and workflows read it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter

from ringback import Decision
from ringback.domain.outcome import Completed
from ringback.domain.policy import Policy
from ringback.domain.vote import count_vote
from ringback.schemas.votes import DecisionOut
from tests import factories
from tests.people import ballot, question

converters = pytest.mark.parametrize(
    "converter", [DataConverter.default, pydantic_data_converter], ids=["default", "pydantic"]
)


@dataclass
class Budget:
    euros: float
    cost_centre: str = "k1"


class Refund(BaseModel):
    model_config = ConfigDict(strict=True)

    euros: float
    until: date


def decided() -> bytes:
    """Return the decision of one person, as the gateway delivers it."""
    callback = question(Policy(assignees=("user:ada",)))
    vote = ballot(callback.id, "ada", reason="fine", body=b'{"euros": 1.50}')
    counted = count_vote(callback, [], vote, now=factories.NOW)
    assert isinstance(counted.outcome, Completed)
    return counted.outcome.result or b""


async def read(converter: DataConverter, body: bytes) -> Decision:
    (payload,) = await converter.encode([json.loads(body)])
    payload.data = body
    (decision,) = await converter.decode([payload], [Decision])
    assert isinstance(decision, Decision)
    return decision


@converters
async def test_delivered_decision_is_read_with_its_votes(converter: DataConverter) -> None:
    decision = await read(converter, decided())

    assert (decision.approved, decision.by, decision.reason) == (True, "ada", "fine")
    assert decision.form == {"euros": 1.5}
    (vote,) = decision.votes
    assert (vote.by, vote.proof, vote.at) == ("ada", "signed in", factories.NOW.astimezone(UTC))


@converters
async def test_decision_with_approved_alone_has_defaults(converter: DataConverter) -> None:
    assert await read(converter, b'{"approved": false}') == Decision(approved=False)


@converters
async def test_decision_passes_from_activity_to_activity(converter: DataConverter) -> None:
    decision = await read(converter, decided())

    sent: Sequence[Any] = await converter.encode([decision])
    (received,) = await converter.decode(sent, [Decision])

    assert received == decision


def test_form_is_read_as_a_dataclass() -> None:
    decision = Decision(approved=True, form={"euros": 1.5})

    assert decision.form_as(Budget) == Budget(1.5, "k1")


def test_form_is_read_as_a_strict_pydantic_model() -> None:
    decision = Decision(approved=True, form={"euros": 1.5, "until": "2026-03-14"})

    assert decision.form_as(Refund) == Refund(euros=1.5, until=date(2026, 3, 14))


def test_form_of_another_shape_is_an_error() -> None:
    decision = Decision(approved=True, form={"euros": "many"})

    with pytest.raises(ValidationError):
        decision.form_as(Refund)
    with pytest.raises(TypeError):
        decision.form_as(Budget)


def test_form_that_was_not_filled_in_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="no form was filled in"):
        Decision(approved=False).form_as(Budget)


def test_openapi_describes_the_decision_that_is_delivered() -> None:
    body = decided()

    described = DecisionOut.model_validate_json(body)

    assert described.model_dump(mode="json").keys() == json.loads(body).keys()
    assert [vote.by for vote in described.votes] == ["ada"]
