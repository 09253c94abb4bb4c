"""A schema that a client sends is usable, or is rejected with a reason."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.result_schema.validate import why_unusable


@pytest.mark.parametrize(
    "schema",
    [
        "true",
        "{}",
        '{"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}',
        '{"$defs": {"a": {"type": "string"}}, "$ref": "#/$defs/a"}',
        '{"format": "date-time", "x-own": 1}',
    ],
)
def test_self_contained_schema_is_usable(schema: str) -> None:
    assert why_unusable(schema) is None


@pytest.mark.parametrize(
    "schema",
    [
        "",
        "{",
        "1",
        '"object"',
        '{"type": "nothing"}',
        '{"minimum": "1"}',
        '{"pattern": "("}',
        '{"$ref": "#/$defs/missing"}',
        '{"$ref": "https://elsewhere.example/schema"}',
        '{"$ref": "file:///etc/passwd"}',
        "[" * 5000,
        '{"not":' * 500 + "true" + "}" * 500,
    ],
)
def test_unusable_schema_is_rejected(schema: str) -> None:
    assert why_unusable(schema) is not None


def test_place_of_what_is_wrong_is_named() -> None:
    wrong = json.dumps({"properties": {"a/b": {"items": {"type": "int"}}}})
    elsewhere = json.dumps({"items": {"$ref": "https://elsewhere.example/schema"}})

    assert (why_unusable(wrong) or "").endswith("; look at /properties/a~1b/items/type")
    assert (why_unusable(elsewhere) or "").endswith("or it refers to another document")


@given(text=st.text())
def test_why_unusable_never_raises(text: str) -> None:
    assert why_unusable(text) is None or why_unusable(text)
