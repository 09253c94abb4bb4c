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


def test_a_result_that_fits_has_no_problems() -> None:
    assert problems({"type": "object", "required": ["a"]}, {"a": 1}) == []


def test_no_result_is_checked_as_null() -> None:
    assert find_problems('{"type":"null"}', None) == []
    assert find_problems('{"type":"string"}', None) == [Problem("", 'it is not of type "string"')]


def test_a_problem_is_told_with_its_place() -> None:
    said = {"properties": {"lines": {"items": {"properties": {"cents": {"type": "integer"}}}}}}

    found = problems(said, {"lines": [{"cents": 1}, {"cents": "much"}]})

    assert found == [("/lines/1/cents", 'it is not of type "integer"')]


def test_a_place_is_a_json_pointer() -> None:
    said = {"additionalProperties": {"type": "integer"}}

    found = problems(said, {"a/b": "x", "m~n": "x"})

    assert {path for path, _ in found} == {"/a~1b", "/m~0n"}


def test_what_is_missing_is_told_by_name() -> None:
    assert problems({"required": ["cents"]}, {}) == [("", '"cents" is a required property')]


def test_what_was_sent_is_not_repeated() -> None:
    found = problems({"items": {"type": "integer"}}, ["a secret"])

    assert "secret" not in str(found)


def test_of_a_choice_what_is_wrong_in_the_one_that_was_meant_is_told() -> None:
    said = {"anyOf": [{"type": "null"}, {"properties": {"a": {"type": "integer"}}}]}

    assert problems(said, {"a": "x"}) == [("/a", 'it is not of type "integer"')]


def test_of_a_choice_by_tag_what_is_wrong_in_the_one_with_the_tag_is_told() -> None:
    made = generate_schema(Owner, pydantic_data_converter) or ""

    found = find_problems(made, b'{"pet": {"kind": "dog"}}')

    assert found == [Problem("/pet", '"age" is a required property')]


def test_of_a_choice_of_types_all_are_told() -> None:
    said = {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "minLength": 1}]}

    assert problems(said, []) == [("", "it is not of type integer or string")]


def test_each_wrong_field_of_a_model_has_its_place() -> None:
    made = generate_schema(Invoice, pydantic_data_converter) or ""
    answer = {"id": "x", "at": "yesterday", "cents": "many", "total": "much"}

    found = {one.path: one.message for one in find_problems(made, json.dumps(answer).encode())}

    assert found == {
        "/id": 'it is not a "uuid"',
        "/at": 'it is not a "date-time"',
        "/cents": 'it is not of type "integer"',
        "/total": 'it does not match "^[0-9]+(\\.[0-9]{0,2})?$"',
    }


def test_a_name_that_is_wrong_is_told() -> None:
    made = generate_schema(dict[int, str], pydantic_data_converter) or ""

    (found,) = find_problems(made, b'{"first": "a"}')

    assert found.message == 'one of its names: it does not match "^-?[0-9]{1,4000}$"'


def test_where_nothing_can_be_read_that_is_told() -> None:
    assert problems({"properties": {"a": {"not": {}}}}, {"a": 1}) == [
        ("/a", "the worker can read no value here")
    ]


def test_there_are_never_too_many_problems() -> None:
    assert len(find_problems(NUMBERS, json.dumps(["x"] * 100).encode())) == MOST_PROBLEMS


def test_nothing_that_is_told_is_long() -> None:
    long = "name" * 1000
    said = {"additionalProperties": {"enum": ["choice" * 1000]}}

    ((path, message),) = problems(said, {long: 1})

    assert len(path) == len(message) == LONGEST_TEXT


@pytest.mark.parametrize(
    "kind", [list[int], list[int] | None, list[int] | dict[str, int], list[list[int] | None]]
)
def test_a_long_result_does_not_take_long(kind: type) -> None:
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
def test_what_is_no_json_is_a_problem(body: bytes) -> None:
    (found,) = find_problems("{}", body)

    assert found.path == ""
    assert found.message.startswith("it is not JSON")


@given(made=st.sampled_from(SCHEMAS), body=st.binary(max_size=64))
def test_whatever_the_bytes_the_checker_answers(made: str, body: bytes) -> None:
    assert isinstance(find_problems(made, body), list)


KEYS = st.sampled_from(["id", "at", "cents", "total", "receipt", "lines", "kids", "up", "pet"])
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(
    made=st.sampled_from(SCHEMAS),
    value=st.recursive(
        PLAIN, lambda inner: st.lists(inner) | st.dictionaries(KEYS | st.text(), inner)
    ),
)
def test_whatever_the_value_the_problems_are_short_and_few(made: str, value: object) -> None:
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
def test_with_a_schema_that_cannot_be_used_nothing_is_refused(
    unusable: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)

    found = [find_problems(unusable, body) for body in (b"1", b"2")]

    assert found == [[], []]
    assert "results are not checked" in caplog.text
