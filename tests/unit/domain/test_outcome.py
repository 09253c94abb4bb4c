"""Two answers are the same if they have the same meaning."""

from datetime import timedelta

import pytest

from ringback.domain.outcome import (
    KINDS,
    Canceled,
    Completed,
    Failed,
    Outcome,
    from_parts,
    is_same_answer,
    to_body,
    to_fields,
)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Completed(b'{"a":1,"b":[2]}'), Completed(b'{ "b": [2], "a": 1 }')),
        (Completed(None), Completed(None)),
        (Failed("no", details=b"[1]"), Failed("no", details=b"[ 1.0 ]")),
        (Completed(b'{"a":1,"a":2}'), Completed(b'{"a":2}')),
        (Completed(b"1"), Completed(b"1.0")),
        (Completed(b"100"), Completed(b"1e2")),
        (Completed(b"100"), Completed(b"1.00E+2")),
        (Completed(b"0.015"), Completed(b"15e-3")),
        (Completed(b"0"), Completed(b"-0.0")),
        (Completed(b"0"), Completed(b"0e99")),
        (Completed(b"1" * 5000), Completed(b"1" * 5000 + b".0")),
        (Completed(b"1e-" + b"9" * 5000), Completed(b"1E-" + b"9" * 5000)),
        (Completed(b"[" * 190 + b"1" + b"]" * 190), Completed(b"[" * 190 + b"1.0" + b"]" * 190)),
        (Canceled(b'"x"'), Canceled(b'"\\u0078"')),
    ],
)
def test_answers_with_equal_json_are_the_same(one: Outcome, other: Outcome) -> None:
    assert is_same_answer(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Completed(b"1"), Completed(b"2")),
        (Completed(b"1"), Completed(b'"1"')),
        (Completed(b"1.5"), Completed(b'"1.5"')),
        (Completed(b"1.5"), Completed(b'{"a number": "1.5"}')),
        (Completed(b"1.5"), Completed(b'{"digits": "15", "exponent": -1}')),
        (Completed(b"1"), Completed(b"10")),
        (Completed(b"1"), Completed(b"-1")),
        (Completed(b"0.1"), Completed(b"0.01")),
        (Completed(b"0"), Completed(b"false")),
        (Completed(b"0"), Completed(b"null")),
        (Completed(b"9007199254740992"), Completed(b"9007199254740993")),
        (Completed(b"1" * 5000), Completed(b"1" * 4999 + b"2")),
        (Completed(b"1e-" + b"9" * 5000), Completed(b"1e-" + b"8" * 5000)),
        (Completed(b"[]"), Completed(b"{}")),
        (Completed(b"[1]"), Completed(b"1")),
        (Completed(b"1"), Completed(b"true")),
        (Completed(b"1e99"), Completed(b"1e98")),
        (Completed(b"0.12345678901234567890"), Completed(b"0.12345678901234567891")),
        (Completed(b"null"), Completed(None)),
        (Completed(b"[1,2]"), Completed(b"[2,1]")),
        (Completed(None), Canceled(None)),
        (Failed("no"), Failed("No")),
        (Failed("no"), Failed("no", non_retryable=True)),
        (Failed("no"), Failed("no", type="T")),
        (Failed("no"), Failed("no", next_retry_delay=timedelta(seconds=1))),
        (Failed("no"), Failed("no", details=b"[]")),
    ],
)
def test_any_other_difference_makes_another_answer(one: Outcome, other: Outcome) -> None:
    assert not is_same_answer(one, other)


@pytest.mark.parametrize(
    "outcome",
    [
        Completed(b"1"),
        Failed("no", "T", details=b"[1]", next_retry_delay=timedelta(1)),
        Canceled(None),
    ],
)
def test_outcome_survives_a_round_trip_through_its_parts(outcome: Outcome) -> None:
    parts = KINDS[type(outcome)], to_body(outcome), to_fields(outcome)

    assert from_parts(*parts) == outcome
