"""A printed key can be read; anything else is rejected."""

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
def test_printed_key_can_be_read(id_chance: bytes, chance: bytes) -> None:
    key_id, secret = new_key_id(id_chance), new_secret(chance)

    assert from_text(to_text(key_id, secret)) == (key_id, secret)


@given(text=st.text())
def test_reading_a_key_never_raises(text: str) -> None:
    parts = from_text(text)

    assert parts is None or text.startswith("rbk_")


@pytest.mark.parametrize("text", ["", "rbk", "rbk_a", "rbk_a_", "rbk__s", "key_a_s", "rbk_ä_s"])
def test_malformed_key_is_read_as_none(text: str) -> None:
    assert from_text(text) is None


@pytest.mark.parametrize("secret", ["", "secre", "secrets", "SECRET", "\ud800"])
def test_only_the_right_secret_is_valid(secret: str) -> None:
    assert KEY.is_valid("secret")
    assert not KEY.is_valid(secret)


def test_revoked_key_is_never_valid() -> None:
    revoked = replace(KEY, revoked_at=NOW)

    assert not revoked.is_valid("secret")
    assert (revoked.is_secret("secret"), revoked.is_secret("guess")) == (True, False)


def test_repr_of_a_key_hides_its_digest() -> None:
    assert KEY.digest.hex() not in repr(KEY)
    assert str(KEY.digest) not in repr(KEY)


def test_every_act_has_a_role_and_viewers_only_read() -> None:
    assert frozenset().union(*ALLOWED.values()) == frozenset(Act)
    assert ALLOWED.keys() == set(Role)
    assert ALLOWED[Role.VIEWER] == {Act.IDENTIFY, Act.VIEW}
