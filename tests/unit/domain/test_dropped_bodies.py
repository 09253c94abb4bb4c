"""A salted digest stands for a body that is no longer stored."""

import pytest

from ringback.domain.outcome import (
    Canceled,
    Completed,
    Failed,
    Outcome,
    drop_body,
    is_dropped,
    is_same_answer,
)

SALT = b"0123456789abcdef"


def dropped(body: bytes) -> bytes:
    return drop_body(body, SALT)


def test_digest_has_nothing_of_the_body() -> None:
    kept = dropped(b'{"card": "4242"}')

    assert is_dropped(kept)
    assert b"4242" not in kept
    assert not is_dropped(b'{"card": "4242"}')


def test_two_salts_give_two_digests() -> None:
    assert drop_body(b"true", b"a") != drop_body(b"true", b"b")


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        (b"1", b"1.0"),
        (b'{"a":1,"b":2}', b'{ "b": 20e-1, "a": 1 }'),
        (b"null", b"null"),
        (b'"\\u00e9"', '"é"'.encode()),
    ],
)
def test_equal_values_are_the_same_answer(stored: bytes, sent: bytes) -> None:
    assert is_same_answer(Completed(dropped(stored)), Completed(sent))


@pytest.mark.parametrize(
    ("stored", "sent"),
    [
        (Completed(dropped(b"1")), Completed(b'"1"')),
        (Completed(dropped(b"1")), Completed(b"true")),
        (Completed(dropped(b"1")), Completed(None)),
        (Completed(dropped(b"1")), Canceled(b"1")),
        (Failed("no", details=dropped(b"[]")), Failed("yes", details=b"[]")),
    ],
)
def test_other_answers_differ(stored: Outcome, sent: Outcome) -> None:
    assert not is_same_answer(stored, sent)


def test_answers_without_body_are_compared_as_before() -> None:
    assert is_same_answer(Completed(None), Completed(None))
    assert is_same_answer(Failed("no", details=dropped(b"[1]")), Failed("no", details=b"[1.0]"))
