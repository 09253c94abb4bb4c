"""Expressions: errors when they are read, and totality when they are used."""

import contextlib
import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ringback.sources.event_json import DEEPEST, decode, encode
from ringback.sources.expressions import (
    LONGEST_EXPRESSION,
    EvaluationError,
    Expression,
    ExpressionError,
)
from ringback.sources.rules import Action, Ignored, Match, Rule, RuleFailed, apply_rules
from ringback.sources.source_event import SourceEvent


def test_more_expressions_are_read_than_jmespath_caches() -> None:
    # Before jmespath 1.0.1 the 129th failed.
    assert [Expression(f"order_{number}").text for number in range(300)][-1] == "order_299"


def error(text: str) -> str:
    with pytest.raises(ExpressionError) as raised:
        Expression(text)
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it is empty"),
        ("a ==", "it is not JMESPath: it ends too early"),
        ("card declined", "it is not JMESPath: 'declined' at character 6 is unexpected"),
        ("a == 'x", "it is not JMESPath: Unclosed ' delimiter at character 6"),
        (
            "a == `paid`",
            "it has no JSON between backticks; write a text in single quotes: 'paid'",
        ),
        ("a == 5", "it is not JMESPath: 5 at character 6 is unexpected"),
        ("((((" * 500, "it is nested too deeply"),
        ("!" * 100 + "a", "it is nested too deeply"),
        ("a" * (LONGEST_EXPRESSION + 1), "it has 2001 characters; use at most 2000"),
        (
            "a[?starts_wth(b, 'x')]",
            "there is no function starts_wth(); did you mean starts_with()?",
        ),
        ("env()", "there is no function env()"),
        ("join(':')", "join() takes 2 arguments, not 1"),
        ("not_null()", "not_null() takes at least 1 arguments, not 0"),
        ("header(a)", "write the header's name as a constant: header('x-github-event')"),
        ("header(`1`)", "write the header's name as a constant: header('x-github-event')"),
    ],
)
def test_text_that_is_not_an_expression_says_why(text: str, expected: str) -> None:
    assert error(text) == expected


def test_headers_that_are_read_are_known() -> None:
    assert Expression("[header('B'), a[?header('a') == @], &header('c')]").headers == set("abc")


@given(st.text(alphabet=st.sampled_from("ab'\"`[]{}()|&!=<>.,:*?@-0129 \\u\ud800\n"), max_size=40))
def test_any_text_is_an_expression_or_an_error(text: str) -> None:
    try:
        expression = Expression(text)
    except ExpressionError:
        return
    with contextlib.suppress(EvaluationError):
        expression.evaluate({"a": [{"b": 1}]}, {})


HOSTILE = [
    "!" * 90 + "a",
    "a[::0]",
    "a[::-1]",
    "a[99999999999999999999]",
    "starts_with(`null`, 'a')",
    "max_by(@, &a)",
    "sort(a)",
    "sort_by(a, &b)",
    "avg(a)",
    "sum(a)",
    "ceil(a)",
    "to_number(a)",
    "a < b",
    "a == a",
    "merge(@, @)",
    "keys(@)",
    "values(@)",
    "*.*.*.*",
    "parse_json(a)",
    "parse_json(parse_json(text))",
    "header('a')",
    "&a",
    "[&a]",
    "`1e400`",
    "`NaN`",
    '"\\ud800"',
    "contains(a, b)",
    "reverse(text)",
    "@",
]

bodies = st.one_of(
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(st.sampled_from(["a", "b", "text"]), inner, max_size=3)
        ),
    ).map(lambda value: json.dumps(value).encode()),
)


@pytest.mark.parametrize("text", HOSTILE)
@given(body=bodies, kind=st.sampled_from(["application/json", "text/plain", "x/y+json", "a=b"]))
@example(body=b"[" * 5_000 + b"]" * 5_000, kind="application/json")
@example(body=b'{"a":' * 190 + b"1" + b"}" * 190, kind="application/json")
@example(body=b'{"a": "' + b"9" * 5_000 + b'"}', kind="application/json")
@example(body=b'{"a": [1e400, 1e400, -1e400], "b": "x"}', kind="application/json")
@example(body=b"[" + b"1," * 9_000 + b"1]", kind="")
def test_any_event_and_expression_have_an_outcome(text: str, body: bytes, kind: str) -> None:
    hostile = Expression(text)
    event = SourceEvent(body, {"content-type": kind})
    rules = [
        Rule(Action.FAIL, when=hostile, key=hostile, message=hostile),
        Rule(Action.FAIL, key=Expression("'k'"), message=Expression("'m'"), details=hostile),
    ]
    for rule in rules:
        for batch in (None, hostile):
            outcomes = apply_rules([rule], event, batch=batch, limit=50_000)
            assert len(outcomes) >= 1
            for outcome in outcomes:
                assert isinstance(outcome, Match | Ignored | RuleFailed)
                if isinstance(outcome, Match):
                    assert outcome.body is not None
                    assert len(outcome.body) <= 50_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" | ".join(["[@, @][]"] * 60), "too many steps"),
        ("to_string(@) | " + " | ".join(["join('', [@, @])"] * 60), "too many steps"),
        ("[@, @][] | " * 20 + "map(&to_string(@), @)", "too many steps"),
        (" | ".join(["[@, @]"] * 60) + " | to_string(@)", "ValueError"),
    ],
)
def test_value_that_doubles_itself_is_stopped(text: str, expected: str) -> None:
    with pytest.raises(EvaluationError, match=expected):
        Expression(text).evaluate([1], {})


def evaluate(text: str, body: bytes) -> Any:
    return Expression(text).evaluate(decode(body), {})


@pytest.mark.parametrize(
    "number",
    ["9007199254740993", "-1" + "0" * 400 + "7", "1.10", "0.1234567890123456789", "1E+2", "-0.0"],
)
def test_selected_numbers_keep_their_text(number: str) -> None:
    body = f'{{"a": {{"b": [{number}]}}}}'.encode()
    for text in (
        "a.b",
        "to_array(a.b[0])",
        "reverse(a.b)",
        "[a.b[0]]",
        "parse_json(to_string(a.b))",
    ):
        assert encode(evaluate(text, body), limit=1_000) == f"[{number}]".encode()
    assert evaluate("to_string(a.b[0])", body) == number


def test_missing_member_never_becomes_text() -> None:
    assert evaluate("to_string(a.b)", b"{}") is None
    with pytest.raises(EvaluationError):
        evaluate("join(':', ['github', 'run', to_string(a.b)])", b"{}")


def test_calculated_fractions_are_floats() -> None:
    """This is documented: whole numbers are exact, and fractions are compared as floats."""
    body = b"[9007199254740993, 9007199254740993.0, 0.1, 0.2]"
    assert evaluate("[0] == `9007199254740992`", body) is False
    assert evaluate("[1] == `9007199254740992`", body) is True
    assert evaluate("sum([0:1])", body) == 9007199254740993
    assert encode(evaluate("sum([2:4])", body), limit=99) == b"0.30000000000000004"
    assert evaluate("type([1])", body) == "number"
    assert evaluate("abs([2]) > `0`", body) is True


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).filter(lambda value: "inf" not in repr(value) and "\\ud" not in repr(value))
)
def test_json_is_the_same_after_decoding_and_encoding(value: Any) -> None:
    encoded = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    assert encode(decode(encoded), limit=len(encoded)) == encoded


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.inf, "a number is out of range"),
        (math.nan, "it is not a JSON value"),
        ("\ud800", "it has half of a surrogate pair"),
        (b"x", "it is not a JSON value"),
    ],
)
def test_values_that_are_not_json_cannot_be_encoded(value: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=expected):
        encode([value], limit=100)


def test_what_is_encoded_can_be_decoded_even_at_the_greatest_depth() -> None:
    deepest: Any = 1
    for _ in range(DEEPEST):
        deepest = [deepest]
    assert decode(encode(deepest, limit=1_000)) == deepest
    with pytest.raises(ValueError, match="nested deeper than 200"):
        encode([deepest], limit=1_000)
    assert decode(b"[" * 201 + b"]" * 201)
    with pytest.raises(ValueError, match="recursion limit"):
        decode(b"[" * 202 + b"]" * 202)
