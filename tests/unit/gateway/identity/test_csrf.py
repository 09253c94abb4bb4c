"""Only a page of this gateway can send a form, and nothing typed is lost."""

from collections.abc import AsyncIterator
from typing import Final

import pytest
from starlette.requests import Request

from ringback.domain.people_errors import CrossSiteRequestError
from ringback.domain.person import ProofSource, SessionId, new_person
from ringback.gateway.gateway import Gateway
from ringback.gateway.identity.csrf import (
    check_csrf,
    check_same_origin,
    csrf_token,
    find_obstacle,
    has_csrf_token,
)
from ringback.gateway.identity.person import RequestIdentity
from tests.fake_edges import BASE
from tests.unit.gateway.house import opened_house

ADA: Final = new_person("ada", proof_source=ProofSource.OIDC)
OURS: Final = {"sec-fetch-site": "same-origin"}


@pytest.fixture
async def gateway() -> AsyncIterator[Gateway]:
    async with opened_house() as house:
        yield house.app.state.gateway


def sent(session: str | None = "se_1", **headers: str) -> Request:
    """Return a request of a person with this session."""
    named = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": named})
    identity = RequestIdentity(ADA, session, SessionId(session)) if session else None
    request.state.identity = identity
    return request


@pytest.mark.parametrize(
    "headers",
    [
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "same-origin", "origin": "null"},
        {"sec_fetch_site": "same-origin", "origin": BASE},
        {"sec_fetch_site": "none", "origin": BASE},
        {"origin": BASE},
    ],
    ids=str,
)
def test_form_of_our_page_is_accepted(gateway: Gateway, headers: dict[str, str]) -> None:
    check_same_origin(gateway, sent(**headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": BASE + ".evil.example"},
        {"origin": BASE.replace("https", "http")},
        {"origin": BASE + ":8443"},
        {"origin": ""},
        {"sec_fetch_site": "none"},
        {"sec_fetch_site": "none", "origin": "null"},
        {"sec_fetch_site": "cross-site", "origin": BASE},
        {"sec_fetch_site": "same-site", "origin": BASE},
        {"sec_fetch_site": "", "origin": BASE},
        {"sec_fetch_site": "same-origin, cross-site", "origin": BASE},
        {"sec_fetch_site": "cross-site"},
        {"referer": BASE + "/inbox"},
    ],
    ids=str,
)
def test_form_of_another_site_is_refused(gateway: Gateway, headers: dict[str, str]) -> None:
    with pytest.raises(CrossSiteRequestError):
        check_same_origin(gateway, sent(**headers))


def test_token_belongs_to_one_session(gateway: Gateway) -> None:
    token = csrf_token(gateway, sent("se_1"))

    assert has_csrf_token(gateway, sent("se_1"), token)
    assert not has_csrf_token(gateway, sent("se_2"), token)
    assert not has_csrf_token(gateway, sent(None), token)
    assert not has_csrf_token(gateway, sent("se_1"), token, link="se_1")


def test_token_belongs_to_one_link(gateway: Gateway) -> None:
    token = csrf_token(gateway, sent(None), link="k1.a.b")

    assert has_csrf_token(gateway, sent(None), token, link="k1.a.b")
    assert has_csrf_token(gateway, sent("se_1"), token, link="k1.a.b")
    assert not has_csrf_token(gateway, sent(None), token, link="k1.a.c")
    assert not has_csrf_token(gateway, sent(None), token)


@pytest.mark.parametrize("token", [None, "", "x", "é", "A" * 43, "\udcff", "a" * 10_000])
def test_invented_token_is_refused(gateway: Gateway, token: str | None) -> None:
    with pytest.raises(CrossSiteRequestError):
        check_csrf(gateway, sent(sec_fetch_site="same-origin"), token)


def test_right_token_from_another_site_is_refused(gateway: Gateway) -> None:
    token = csrf_token(gateway, sent())

    check_csrf(gateway, sent(sec_fetch_site="same-origin"), token)
    with pytest.raises(CrossSiteRequestError):
        check_csrf(gateway, sent(sec_fetch_site="cross-site"), token)
    with pytest.raises(CrossSiteRequestError):
        find_obstacle(gateway, sent(sec_fetch_site="cross-site"), token)


def test_form_of_a_valid_session_meets_no_obstacle(gateway: Gateway) -> None:
    token = csrf_token(gateway, sent())

    assert find_obstacle(gateway, sent(sec_fetch_site="same-origin"), token) is None


def test_form_of_an_ended_session_gets_a_link_to_sign_in(gateway: Gateway) -> None:
    token = csrf_token(gateway, sent("se_1"))

    obstacle = find_obstacle(gateway, sent(None, sec_fetch_site="same-origin"), token)

    assert obstacle is not None
    assert "Nothing you typed is lost" in obstacle.message
    assert obstacle.sign_in_path == "/sign-in?next=%2Fsign-in%2Fdone"


def test_form_from_before_a_new_session_is_shown_again(gateway: Gateway) -> None:
    token = csrf_token(gateway, sent("se_1"))

    obstacle = find_obstacle(gateway, sent("se_2", sec_fetch_site="same-origin"), token)

    assert obstacle is not None
    assert "send the form again" in obstacle.message
    assert obstacle.sign_in_path is None


def test_form_of_a_link_needs_no_session(gateway: Gateway) -> None:
    token = csrf_token(gateway, sent(None), link="k1.a.b")

    request = sent(None, sec_fetch_site="same-origin")

    assert find_obstacle(gateway, request, token, link="k1.a.b") is None
    assert find_obstacle(gateway, request, "x", link="k1.a.b") is not None
