"""A key is read back as it was made; whatever else is sent is none."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.domain.api_key import (
    ALLOWED,
    ID_BYTES,
    SECRET_BYTES,
    Act,
    ApiKey,
    KeyId,
    Role,
    digest_secret,
    from_text,
    new_key_id,
    new_secret,
    to_text,
)

NOW = datetime(2030, 1, 1, tzinfo=UTC)
KEY = ApiKey(KeyId("a"), "ci", Role.VIEWER, digest_secret("secret"), NOW)


@given(
    id_chance=st.binary(min_size=ID_BYTES, max_size=ID_BYTES),
    chance=st.binary(min_size=SECRET_BYTES, max_size=SECRET_BYTES),
)
def test_what_is_printed_is_read_back(id_chance: bytes, chance: bytes) -> None:
    key_id, secret = new_key_id(id_chance), new_secret(chance)

    assert from_text(to_text(key_id, secret)) == (key_id, secret)


@given(text=st.text())
def test_reading_is_total(text: str) -> None:
    parts = from_text(text)

    assert parts is None or text.startswith("rbk_")


@pytest.mark.parametrize("text", ["", "rbk", "rbk_a", "rbk_a_", "rbk__s", "key_a_s", "rbk_ä_s"])
def test_what_is_no_key_is_none(text: str) -> None:
    assert from_text(text) is None


@pytest.mark.parametrize("secret", ["", "secre", "secrets", "SECRET", "\ud800"])
def test_only_the_secret_proves_a_key(secret: str) -> None:
    assert KEY.is_valid("secret")
    assert not KEY.is_valid(secret)


def test_a_revoked_key_is_proven_by_nothing() -> None:
    assert not replace(KEY, revoked_at=NOW).is_valid("secret")


def test_a_key_does_not_show_its_digest() -> None:
    assert KEY.digest.hex() not in repr(KEY)
    assert str(KEY.digest) not in repr(KEY)


def test_everything_may_be_done_by_somebody_and_looking_changes_nothing() -> None:
    assert frozenset().union(*ALLOWED.values()) == frozenset(Act)
    assert ALLOWED.keys() == set(Role)
    assert ALLOWED[Role.VIEWER] == {Act.IDENTIFY, Act.VIEW}
