"""A sign-in that has begun is bound to the browser, and cannot be edited."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ringback.gateway.identity.login import LOGIN_LIFETIME, Login, find_login
from tests import factories
from tests.factories import NOW

KEYRING = factories.keyring()
LOGIN = Login("a secret", "/inbox?tab=mine", NOW + LOGIN_LIFETIME)


def test_cookie_contains_the_login() -> None:
    assert find_login(LOGIN.to_cookie(KEYRING), KEYRING, now=NOW) == LOGIN


def test_login_expires() -> None:
    cookie = LOGIN.to_cookie(KEYRING)

    assert find_login(cookie, KEYRING, now=NOW + LOGIN_LIFETIME - timedelta(seconds=1)) == LOGIN
    assert find_login(cookie, KEYRING, now=NOW + LOGIN_LIFETIME) is None


@given(data=st.data())
def test_edited_cookie_is_refused(data: st.DataObject) -> None:
    cookie = LOGIN.to_cookie(KEYRING)
    at = data.draw(st.integers(0, len(cookie) - 1))
    other = data.draw(st.characters().filter(lambda char: char != cookie[at]))

    assert find_login(cookie[:at] + other + cookie[at + 1 :], KEYRING, now=NOW) is None


@given(st.text())
def test_any_text_is_safe(text: str) -> None:
    assert find_login(text, KEYRING, now=NOW) is None


@pytest.mark.parametrize("path", ["//evil.example", "https:evil"])
def test_even_a_signed_login_leads_to_no_other_site(path: str) -> None:
    login = Login("a secret", path, NOW + LOGIN_LIFETIME)

    found = find_login(login.to_cookie(KEYRING), KEYRING, now=NOW)

    assert found is not None
    assert found.next_path == "/inbox"


def test_what_the_provider_sees_is_derived_and_differs() -> None:
    shown = {LOGIN.state, LOGIN.nonce, LOGIN.code_verifier}

    assert len(shown) == 3
    assert all(len(one) == 43 and LOGIN.secret not in one for one in shown)
    assert LOGIN.secret not in repr(LOGIN)


def test_seal_of_a_login_is_not_another_seal() -> None:
    text, _, seal = LOGIN.to_cookie(KEYRING).rpartition(".")

    assert KEYRING.is_sealed("sign-in", text, seal)
    assert not KEYRING.is_sealed("csrf", text, seal)
