"""Arguments that a tool's activity cannot decode are found before it runs."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from ringback.agents.fit import say_misfit, to_types, why_not_fit


class Line(BaseModel):
    sku: str


class Unknown:
    """No type of pydantic."""


def pay(amount: Decimal, day: date, lines: list[Line], tags: dict[str, int]) -> None:
    """Pay."""


def pay_later(amount: "Decimal", times: "list[int] | None" = None) -> None:
    """Pay: in a module with postponed annotations they are all text."""


def free(a, c: Unknown) -> None:  # type: ignore[no-untyped-def]
    """Take anything."""


def unknown(a: "Later", amount: Decimal) -> None:  # type: ignore[name-defined]  # noqa: F821 - nobody can know it
    """Take a type that only its own module has."""


RIGHT = {"amount": "1.10", "day": "2026-11-30", "lines": [{"sku": "a"}], "tags": {"a": 1}}


@pytest.mark.parametrize(
    ("function", "arguments", "wrong"),
    [
        (pay, RIGHT, None),
        (pay, {**RIGHT, "other": object()}, None),
        (pay, {**RIGHT, "amount": "many"}, "amount"),
        (pay, {**RIGHT, "day": "tomorrow", "tags": {"a": "x"}}, "day, tags"),
        (pay, {**RIGHT, "lines": [{}]}, "lines"),
        (pay_later, {"amount": "1.10", "times": [1]}, None),
        (pay_later, {"amount": "many", "times": ["x"]}, "amount, times"),
        (free, {"a": 1, "c": 3}, None),
    ],
    ids=["right", "more", "amount", "two", "nested", "later", "later-wrong", "untyped"],
)
def test_arguments_that_cannot_be_decoded_are_named(
    function: Callable[..., None], arguments: dict[str, Any], wrong: str | None
) -> None:
    types = to_types(function)
    assert types is not None

    said = why_not_fit("pay", types, arguments)

    assert said == (wrong and f"The arguments do not fit pay: {wrong}. Nothing ran.")


@pytest.mark.parametrize(
    ("annotations", "found"),
    [
        ({"a": "int", "b": "list[str] | None", "c": Decimal}, True),
        ({"a": "int", "amount": "Decimal"}, False),
    ],
    ids=["builtin", "imported"],
)
def test_text_of_a_signature_names_builtin_types_only(
    annotations: dict[str, object], *, found: bool
) -> None:
    types = to_types(SimpleNamespace(__annotations__=annotations))

    assert (types is not None) is found
    assert found is False or why_not_fit("pay", types or {}, {"a": "x", "b": ["y"]}) is not None


def test_unknown_type_of_a_function_leaves_its_types_unknown() -> None:
    assert to_types(unknown) is None


def test_message_names_each_place_that_does_not_fit() -> None:
    class Payment(BaseModel, extra="forbid"):
        amount: int
        lines: list[Line]

    with pytest.raises(ValidationError) as caught:
        Payment.model_validate({"amuont": 1, "lines": [{"sku": 5}]})

    assert say_misfit("pay", caught.value) == (
        "The arguments do not fit pay: amount: Field required; lines.0.sku: Input should be a valid"
        " string; amuont: Extra inputs are not permitted. Nothing ran."
    )
