"""Examples of results satisfy their schema."""

import json
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import UUID4, BaseModel, Field, NaiveDatetime
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import DataConverter

from ringback.gateway.example import example_of
from ringback.result_schema.checker import SchemaChecker
from ringback.result_schema.generate import generate_schema


class Color(Enum):
    """A choice."""

    RED = "red"


class Line(BaseModel):
    """A part of a result."""

    cents: int
    color: Color


class Invoice(BaseModel):
    """A result with most of what results have."""

    approved: bool
    reason: str | None
    at: datetime
    day: date
    total: Decimal
    share: float
    id: UUID
    wait: timedelta
    lines: list[Line]
    by_name: dict[str, int]
    kind: Literal["a", "b"]
    either: Line | int
    note: str = "none"


class Cat(BaseModel):
    """A choice with a tag that has a default."""

    kind: Literal["cat"] = "cat"


class Dog(BaseModel):
    """The other choice."""

    kind: Literal["dog"]
    age: int


@dataclass
class Receipt:
    """What the default converter reads."""

    id: str
    at: datetime
    lines: list[int]
    before: "Receipt | None" = None


Price = Annotated[Decimal, Field(gt=0, max_digits=6, decimal_places=2)]


@pytest.mark.parametrize(
    "result_type",
    [
        *(Invoice, bool, int, float, str, list[int], dict[str, int], int | None, Color),
        *(type(None), Receipt, dict[int, str], tuple[int, str], set[int], bytes, time),
        *(Price, Annotated[int, Field(gt=5, lt=10)], Annotated[int, Field(multiple_of=4, ge=8)]),
        *(Annotated[str, Field(min_length=8)], Annotated[str, Field(max_length=2)]),
        *(Annotated[list[int], Field(min_length=2)], UUID4, NaiveDatetime),
        Annotated[Cat | Dog, Field(discriminator="kind")],
    ],
    ids=str,
)
async def test_example_of_a_type_is_accepted(result_type: Any) -> None:
    schema = generate_schema(result_type, pydantic_data_converter)
    assert schema is not None

    example = example_of(schema)

    assert example is not None
    assert not await SchemaChecker().problems(schema, example.encode())


@pytest.mark.parametrize(
    "result_type", [Receipt, Receipt | None, list[Line], bytes, dict[int, str], UUID], ids=str
)
async def test_example_for_the_default_converter_is_accepted(result_type: Any) -> None:
    schema = generate_schema(result_type, DataConverter.default)
    assert schema is not None

    example = example_of(schema)

    assert example is not None
    assert not await SchemaChecker().problems(schema, example.encode())


class Tree(BaseModel):
    """A result that has no smallest example."""

    inside: "Tree"


LIST = {"type": "array", "items": {"type": "null"}}
MANY = {"anyOf": [{"$ref": "#/$defs/a"}] * 50}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "integer", "minimum": 1.5, "maximum": 3},
        {"type": ["integer", "null"], "minimum": 5},
        {"type": "string", "minLength": 6.0},
        {"minItems": 2.0, **LIST},
        {"type": "array", "prefixItems": [{"const": 1}], "items": {"const": 2}, "minItems": 3},
        {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1.5, "multipleOf": 0.25},
    ],
    ids=str,
)
async def test_example_of_a_foreign_schema_is_accepted(schema: Any) -> None:
    text = json.dumps(schema)

    example = example_of(text)

    assert example is not None
    assert not await SchemaChecker().problems(text, example.encode())


@pytest.mark.parametrize(
    "schema",
    [
        None,
        json.dumps({"type": "string", "pattern": "^A"}),
        json.dumps({"type": "string", "format": "unknown"}),
        json.dumps({"type": "string", "format": "date", "maxLength": 5}),
        json.dumps({"allOf": [{"type": "string"}]}),
        json.dumps({"$ref": "https://example.com/schema"}),
        json.dumps({"type": "object", "required": ["a"]}),
        json.dumps({"oneOf": [{"type": "string", "pattern": "^A"}]}),
        json.dumps({"type": "string", "anyOf": [{"type": "integer"}]}),
        json.dumps({
            "type": "array",
            "minItems": 2,
            "uniqueItems": True,
            "items": {"type": "null"},
        }),
        json.dumps({"type": "integer", "minimum": 5, "maximum": 4}),
        json.dumps({"description": "anything"}),
        "true",
        generate_schema(Tree),
    ],
)
def test_schema_that_is_not_simple_has_no_example(schema: str | None) -> None:
    assert example_of(schema) is None
