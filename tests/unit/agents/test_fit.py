"""Arguments that a tool's activity cannot decode are found before it runs."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from inspect import signature
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from ringback.agents.fit import say_misfit, why_not_fit


class Line(BaseModel):
    sku: str


class Unknown:
    """No type of pydantic."""


def pay(amount: Decimal, day: date, lines: list[Line], tags: dict[str, int]) -> None:
    """Pay."""


def free(a, b: "Later", c: Unknown) -> None:  # type: ignore[no-untyped-def, name-defined]  # noqa: F821 - pydantic cannot know it
    """Take anything."""


RIGHT = {"amount": "1.10", "day": "2026-11-30", "lines": [{"sku": "a"}], "tags": {"a": 1}}


@pytest.mark.parametrize(
    ("function", "arguments", "wrong"),
    [
        (pay, RIGHT, None),
        (pay, {**RIGHT, "other": object()}, None),
        (pay, {**RIGHT, "amount": "many"}, "amount"),
        (pay, {**RIGHT, "day": "tomorrow", "tags": {"a": "x"}}, "day, tags"),
        (pay, {**RIGHT, "lines": [{}]}, "lines"),
        (free, {"a": 1, "b": 2, "c": 3}, None),
    ],
    ids=["right", "more", "amount", "two", "nested", "untyped"],
)
def test_arguments_that_cannot_be_decoded_are_named(
    function: Callable[..., None], arguments: dict[str, Any], wrong: str | None
) -> None:
    said = why_not_fit("pay", signature(function), arguments)

    assert said == (wrong and f"The arguments do not fit pay: {wrong}. Nothing ran.")


def test_tool_without_a_function_is_not_checked() -> None:
    assert why_not_fit("pay", None, {"amount": "many"}) is None


def test_model_is_told_each_place_that_does_not_fit() -> None:
    class Payment(BaseModel, extra="forbid"):
        amount: int
        lines: list[Line]

    with pytest.raises(ValidationError) as caught:
        Payment.model_validate({"amuont": 1, "lines": [{"sku": 5}]})

    assert say_misfit("pay", caught.value) == (
        "The arguments do not fit pay: amount: Field required; lines.0.sku: Input should be a valid"
        " string; amuont: Extra inputs are not permitted. Nothing ran."
    )
