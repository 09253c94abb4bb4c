"""Examples of results: accepted by their schema, or not made."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from annotated_types import Gt
from pydantic import BaseModel
from temporalio.contrib.pydantic import pydantic_data_converter

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


@pytest.mark.parametrize(
    "result_type",
    [Invoice, bool, int, float, str, list[int], dict[str, int], int | None, Color, type(None)],
    ids=str,
)
@pytest.mark.parametrize("converter", [pydantic_data_converter, None], ids=["pydantic", "none"])
async def test_example_of_a_type_is_accepted(result_type: Any, converter: Any) -> None:
    schema = generate_schema(result_type, converter)
    assert schema is not None

    example = example_of(schema)

    assert example is not None
    assert not await SchemaChecker().problems(schema, example.encode())


class Tree(BaseModel):
    """A result that has no smallest example."""

    inside: "Tree"


@pytest.mark.parametrize(
    "schema",
    [
        None,
        json.dumps({"type": "string", "pattern": "^A"}),
        json.dumps({"type": "string", "format": "unknown"}),
        json.dumps({"allOf": [{"type": "string"}]}),
        json.dumps({"$ref": "https://example.com/schema"}),
        json.dumps({"type": "object", "required": ["a"]}),
        json.dumps({"oneOf": [{"type": "string", "minLength": 2}]}),
        json.dumps({"description": "anything"}),
        "true",
        generate_schema(Tree),
        generate_schema(Annotated[int, Gt(5)]),
    ],
)
def test_no_example_is_made_that_might_be_refused(schema: str | None) -> None:
    assert example_of(schema) is None
