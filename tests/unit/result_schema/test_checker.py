import json
import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from temporalio.contrib.pydantic import pydantic_data_converter

from ringback.domain.errors import Problem
from ringback.result_schema.explain import LONGEST_TEXT, MOST_PROBLEMS
from ringback.result_schema.generate import generate_schema
from ringback.result_schema.validate import find_problems
from tests.unit.result_schema.types_and_json import Chain, Invoice, Order, Owner, Tree

SCHEMAS = [
    schema
    for kind in (Invoice, Order, Tree, Owner, dict[int, str], list[Invoice | None], int | str)
    for schema in [generate_schema(kind, pydantic_data_converter)]
    if schema is not None
]
NUMBERS = generate_schema(list[int], pydantic_data_converter) or ""


def schema(said: object) -> str:
    return json.dumps(said)


def problems(said: object, value: object) -> list[tuple[str, str]]:
    found = find_problems(schema(said), json.dumps(value).encode())
    return [(one.path, one.message) for one in found]


def test_valid_result_has_no_problems() -> None:
    assert problems({"type": "object", "required": ["a"]}, {"a": 1}) == []


def test_missing_result_is_checked_as_null() -> None:
    assert find_problems('{"type":"null"}', None) == []
    assert find_problems('{"type":"string"}', None) == [Problem("", 'it is not of type "string"')]


def test_problem_is_reported_with_its_place() -> None:
    said = {"properties": {"lines": {"items": {"properties": {"cents": {"type": "integer"}}}}}}

    found = problems(said, {"lines": [{"cents": 1}, {"cents": "much"}]})

    assert found == [("/lines/1/cents", 'it is not of type "integer"')]


def test_place_is_a_json_pointer() -> None:
    said = {"additionalProperties": {"type": "integer"}}

    found = problems(said, {"a/b": "x", "m~n": "x"})

    assert {path for path, _ in found} == {"/a~1b", "/m~0n"}


def test_missing_member_is_reported_by_name() -> None:
    assert problems({"required": ["cents"]}, {}) == [("", '"cents" is a required property')]


def test_sent_verdicts_are_not_sent_again() -> None:
    found = problems({"items": {"type": "integer"}}, ["a secret"])

    assert "secret" not in str(found)


def test_choice_reports_problems_of_the_intended_branch() -> None:
    said = {"anyOf": [{"type": "null"}, {"properties": {"a": {"type": "integer"}}}]}

    assert problems(said, {"a": "x"}) == [("/a", 'it is not of type "integer"')]


def test_tagged_choice_reports_problems_of_the_tagged_branch() -> None:
    made = generate_schema(Owner, pydantic_data_converter) or ""

    found = find_problems(made, b'{"pet": {"kind": "dog"}}')

    assert found == [Problem("/pet", '"age" is a required property')]


def test_choice_of_types_reports_all_types() -> None:
    said = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minLength": 1}]}

    assert problems(said, []) == [("", "it is not of type integer or string")]


def test_each_wrong_field_of_a_model_has_its_place() -> None:
    made = generate_schema(Invoice, pydantic_data_converter) or ""
    answer = {"id": "x", "at": "yesterday", "cents": "many", "total": "much"}

    found = {one.path: one.message for one in find_problems(made, json.dumps(answer).encode())}

    assert found == {
        "/id": 'it is not a "uuid", such as 12345678-1234-4678-9234-567812345678',
        "/at": 'it is not a "date-time", such as 2026-11-30T10:00:00Z',
        "/cents": 'it is not of type "integer"',
        "/total": 'it does not match "^[0-9]+(\\.[0-9]{0,2})?$"',
    }


def test_wrong_member_name_is_reported() -> None:
    made = generate_schema(dict[int, str], pydantic_data_converter) or ""

    (found,) = find_problems(made, b'{"first": "a"}')

    assert found.message == 'one of its names: it does not match "^-?[0-9]{1,4000}$"'


@pytest.mark.parametrize(
    "nothing", [False, {"not": {}}, {"not": True}, {"title": "A", "not": {"description": "any"}}]
)
def test_schema_that_allows_no_value_is_reported_as_such(nothing: object) -> None:
    said = "the activity's schema allows no value here"

    assert problems(nothing, {"a": 1}) == [("", said)]
    assert problems({"properties": {"a": nothing}}, {"a": 1}) == [("/a", f"{said}; leave it out")]


def test_value_that_not_excludes_is_reported_with_what_is_excluded() -> None:
    said = {"properties": {"a": {"not": {"const": "x"}}}}

    assert problems(said, {"a": "x"}) == [
        ("/a", 'the activity\'s schema excludes it by not: {"const": "x"}')
    ]


def test_not_is_no_problem_of_a_value_that_it_allows() -> None:
    said = {
        "properties": {"a": {"type": "integer", "not": {"const": "x"}, "allOf": [{"not": False}]}}
    }

    assert problems(said, {"a": "y"}) == [("/a", 'it is not of type "integer"')]


@pytest.mark.parametrize(
    ("known", "more"), [({"a": {}, "b": {}}, ", or use one of: a, b"), ({}, "")]
)
def test_unknown_name_is_reported_with_the_known_ones(known: dict[str, object], more: str) -> None:
    said = {"properties": known, "additionalProperties": False}

    assert problems(said, {"to": 1}) == [("/to", f"there is no such name; leave it out{more}")]


def test_number_of_problems_is_bounded() -> None:
    assert len(find_problems(NUMBERS, json.dumps(["x"] * 100).encode())) == MOST_PROBLEMS


def test_problems_are_cut_to_a_maximum_length() -> None:
    long = "name" * 1000
    said = {"additionalProperties": {"enum": ["choice" * 1000]}}

    ((path, message),) = problems(said, {long: 1})

    assert len(path) == len(message) == LONGEST_TEXT


@pytest.mark.parametrize(
    "kind", [list[int], list[int] | None, list[int] | dict[str, int], list[list[int] | None]]
)
def test_long_result_is_checked_quickly(kind: type) -> None:
    made = generate_schema(kind, pydantic_data_converter) or ""
    long = json.dumps(["x"] * 500_000).encode()
    began = time.thread_time()

    found = find_problems(made, long)

    assert 1 <= len(found) <= MOST_PROBLEMS
    assert time.thread_time() - began < 1


def test_pattern_with_nested_repetition_is_checked_in_linear_time() -> None:
    made = schema({"pattern": "^((a+)+)+$"})
    began = time.thread_time()

    found = find_problems(made, json.dumps("a" * 10_000 + "b").encode())

    assert len(found) == 1
    assert time.thread_time() - began < 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[1,]", b"NaN", b"1" * 5000, b"[" * 5000, b'"\\ud800"']
)
def test_invalid_json_is_a_problem(body: bytes) -> None:
    (found,) = find_problems("{}", body)

    assert found.path == ""
    assert found.message.startswith("it is not JSON")


@given(made=st.sampled_from(SCHEMAS), body=st.binary(max_size=64))
def test_checker_replies_to_any_bytes(made: str, body: bytes) -> None:
    assert isinstance(find_problems(made, body), list)


KEYS = st.sampled_from(["id", "at", "cents", "total", "receipt", "lines", "kids", "up", "pet"])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(
    made=st.sampled_from(SCHEMAS),
    value=st.recursive(
        PLAIN, lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner)
    ),
)
def test_problems_of_any_value_are_few_and_short(made: str, value: object) -> None:
    found = find_problems(made, json.dumps(value).encode())

    assert len(found) <= MOST_PROBLEMS
    assert all(max(len(one.path), len(one.message)) <= LONGEST_TEXT for one in found)


def test_deep_nesting_is_checked_as_deep_as_json_is_read() -> None:
    made = generate_schema(Chain, pydantic_data_converter) or ""
    deep = b'{"n":1,"next":' * 198 + b'{"n":"x"}' + b"}" * 198

    assert [one.path for one in find_problems(made, deep)] == [("/next" * 198)[:199] + "…"]


@pytest.mark.parametrize(
    "unusable",
    [
        "",
        "[]",
        "no json",
        '{"type": "nonsense"}',
        '{"pattern": "("}',
        '{"$ref": "#/nowhere"}',
        '{"$ref": "http://127.0.0.1:1/schema"}',
        '{"$ref": "file:///etc/hostname"}',
    ],
)
def test_unusable_stored_schema_rejects_no_result(
    unusable: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)

    found = [find_problems(unusable, body) for body in (b"1", b"2")]

    assert found == [[], []]
    assert "results are not checked" in caplog.text
