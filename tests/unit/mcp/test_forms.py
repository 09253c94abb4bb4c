"""Flat forms become fields of a confirmation; others do not."""

import json
from enum import Enum
from typing import Any, Literal

import pytest
from mcp_types._v2025_11_25 import PrimitiveSchemaDefinition
from pydantic import BaseModel, Field, TypeAdapter

from ringback.domain.policy import Policy
from ringback.domain.vote_body import to_sent_schema
from ringback.mcp.forms import MOST_FIELDS, flat_form, form_schema

FIELD: TypeAdapter[Any] = TypeAdapter(PrimitiveSchemaDefinition)


class Kind(Enum):
    SMALL = "small"
    LARGE = "large"


class Form(BaseModel):
    euros: int = Field(ge=1, le=500, title="Amount")
    share: float = 0.5
    kind: Kind = Kind.SMALL
    colour: Literal["red", "green"] | None = None
    colours: list[Literal["red", "green"]] = []
    mail: str | None = Field(None, json_schema_extra={"format": "email"}, max_length=50)
    urgent: bool = False


def shown(schema: Any) -> dict[str, Any]:
    """Return the form as the tools find it, behind a decision of people."""
    sent = json.loads(to_sent_schema(Policy(), json.dumps(schema)) or "")
    found = form_schema(sent, is_decision=True)
    assert found is not None
    return found


def properties(fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": fields}


def test_form_of_a_decision_has_every_kind_of_field_that_elicitation_allows() -> None:
    flat = flat_form(shown(Form.model_json_schema()))

    assert flat is not None
    for field in flat["properties"].values():
        FIELD.validate_python(field)
    assert flat["required"] == ["euros"]
    assert flat["properties"]["euros"] == {
        "type": "integer",
        "title": "Amount",
        "minimum": 1,
        "maximum": 500,
    }
    assert flat["properties"]["kind"]["enum"] == ["small", "large"]
    assert flat["properties"]["colours"]["items"]["enum"] == ["red", "green"]
    assert flat["properties"]["mail"]["format"] == "email"
    assert flat["properties"]["share"]["default"] == 0.5
    assert flat["properties"]["urgent"]["default"] is False


def test_titled_choices_are_kept() -> None:
    one = {"oneOf": [{"const": "a", "title": "First"}, {"const": "b", "title": "Second"}]}
    many = {"type": "array", "items": {"anyOf": one["oneOf"]}}

    flat = flat_form(properties({"one": one, "many": many}))

    assert flat is not None
    assert flat["properties"]["one"] == {"type": "string", **one}
    assert flat["properties"]["many"] == many


@pytest.mark.parametrize(
    "schema",
    [
        pytest.param({"type": "string"}, id="no object"),
        pytest.param({"type": "object"}, id="no fields"),
        pytest.param(properties({"a": properties({"b": {"type": "string"}})}), id="nested"),
        pytest.param(properties({"a": True}), id="any value"),
        pytest.param(properties({"a": {"type": ["string", "integer"]}}), id="two types"),
        pytest.param(properties({"a": {"type": "null"}}), id="null"),
        pytest.param(properties({"a": {"enum": [1, 2]}}), id="choice of numbers"),
        pytest.param(properties({"a": {"oneOf": [True]}}), id="no choice of texts"),
        pytest.param(properties({"a": {"enum": ["a\nb"]}}), id="hostile choice"),
        pytest.param(properties({"a": {"type": "array", "items": {"type": "string"}}}), id="texts"),
        pytest.param(properties({"a": {"type": "array"}}), id="any list"),
        pytest.param(
            properties({"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}}), id="union"
        ),
        pytest.param(properties({"a": {"$ref": "#/properties/a"}}), id="endless"),
        pytest.param(properties({"a": {"$ref": "#/nowhere"}}), id="broken reference"),
        pytest.param(properties({"a": {"$ref": 7}}), id="no reference"),
        pytest.param(properties({"a\x1b": {"type": "string"}}), id="hostile name"),
        pytest.param(
            properties({f"f{n}": {"type": "string"} for n in range(MOST_FIELDS + 1)}), id="too many"
        ),
    ],
)
def test_other_forms_are_not_flat(schema: Any) -> None:
    assert flat_form(schema) is None


def test_given_values_come_before_the_defaults_of_the_form() -> None:
    schema = properties({"a": {"type": "string", "default": "x"}, "b": {"type": "integer"}})
    schema["default"] = {"a": "y", "b": 1}

    own, given = flat_form(schema), flat_form(schema, {"b": 2})

    assert own is not None
    assert given is not None
    assert [one["default"] for one in own["properties"].values()] == ["y", 1]
    assert [one["default"] for one in given["properties"].values()] == ["y", 2]


@pytest.mark.parametrize("value", ["7", True, None, [1], "a\nb"])
def test_value_that_a_person_could_not_see_is_no_default(value: Any) -> None:
    number = flat_form(properties({"a": {"type": "integer"}}), {"a": value})
    text = flat_form(properties({"a": {"type": "array", "items": {"enum": ["x"]}}}), {"a": value})

    assert number is not None
    assert text is not None
    assert "default" not in number["properties"]["a"]
    assert "default" not in text["properties"]["a"]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [(None, None), (True, None), ({"type": "integer"}, {"type": "integer"})],
)
def test_result_that_people_give_is_the_form_itself(schema: Any, expected: Any) -> None:
    assert form_schema(schema, is_decision=False) == expected


def test_decision_without_a_form_has_none() -> None:
    sent = json.loads(to_sent_schema(Policy(), None) or "")

    assert form_schema(sent, is_decision=True) is None
