"""An encrypted body is stored as text, alone or within other JSON."""

import pytest

from ringback.core.services import call_caught
from ringback.domain.encrypted_body import EncryptedBody, is_encrypted, read_encrypted, surround
from ringback.domain.exact_json import parse_exactly
from ringback.domain.outcome import (
    Completed,
    Failed,
    drop_body,
    is_dropped,
    is_same_answer,
    read_seal,
    to_value,
    with_body,
)

CONTENT = b"\x00\xff\n content"
BODY = EncryptedBody("seal-1", CONTENT)


def test_stored_form_is_text_that_is_no_json_and_has_all_parts() -> None:
    stored = BODY.to_bytes()

    assert is_encrypted(stored)
    assert read_encrypted(stored) == BODY
    assert "\x00" not in stored.decode("ascii")
    assert isinstance(call_caught(parse_exactly, stored), ValueError)


@pytest.mark.parametrize("body", [b"1", b"null", b'"encrypted "', b'{"encrypted ": 1}'])
def test_json_is_not_taken_for_an_encrypted_body(body: bytes) -> None:
    assert not is_encrypted(body)
    assert read_seal(body) is None


@pytest.mark.parametrize(
    "stored", [b"encrypted ", b"encrypted s 1\n", b"encrypted \xff 0 0\n", b"encrypted s 0 0\n!"]
)
def test_damaged_form_is_an_error(stored: bytes) -> None:
    assert isinstance(call_caught(read_encrypted, stored), ValueError)


def test_body_in_plain_text_is_surrounded_by_the_rest() -> None:
    assert surround(b"1", b'{"a": ', b"}") == b'{"a": 1}'


def test_encrypted_body_stays_so_within_the_rest_and_has_no_seal() -> None:
    whole = surround(surround(BODY.to_bytes(), '{"é": '.encode(), b"}"), b"[", b"]")

    parts = read_encrypted(whole)
    assert (parts.content, parts.seal) == (CONTENT, "")
    assert parts.to_plain(b"1") == '[{"é": 1}]'.encode()


def test_dropped_body_keeps_its_seal_and_is_the_same_as_nothing() -> None:
    kept = drop_body(BODY.to_bytes(), b"salt")

    assert (is_dropped(kept), is_encrypted(kept), read_seal(kept)) == (True, False, "seal-1")
    assert not is_same_answer(Completed(kept), Completed(b"1"))
    assert not is_same_answer(Completed(BODY.to_bytes()), Completed(BODY.to_bytes()))
    assert not is_same_answer(Completed(b"1"), Completed(BODY.to_bytes()))


def test_values_are_equal_if_json_is_by_value() -> None:
    assert to_value(b'{"a": 1.0, "b": 2}') == to_value(b'{"b":2,"a":1}')
    assert to_value(b"1") != to_value(b'"1"')


def test_outcome_keeps_all_but_its_body() -> None:
    assert with_body(Completed(b"1"), b"2") == Completed(b"2")
    assert with_body(Failed("no", type="T", details=b"[]"), None) == Failed("no", type="T")
