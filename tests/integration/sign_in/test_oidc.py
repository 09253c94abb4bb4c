"""People sign in at a real identity provider."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from ringback.gateway.identity.login import LOGIN_LIFETIME
from tests.integration.sign_in.mock_provider import add_user, press, running_provider
from tests.integration.sign_in.organization import (
    REDIRECT_URI,
    Organization,
    opened_organization,
    query_of,
)
from tests.unit.gateway.identity.browser import opened_browser, sessions_of

ADA = "ada@example.org"
pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
async def issuer() -> AsyncIterator[str]:
    async with running_provider() as issuer:
        yield issuer


@pytest.fixture
async def organization(issuer: str) -> AsyncIterator[Organization]:
    async with opened_organization(issuer, admins="group:ops") as organization:
        await add_user(
            organization.outside,
            issuer,
            "1",
            email=ADA,
            email_verified=True,
            name="Ada Lovelace",
            groups=["finance", "ops"],
        )
        yield organization


async def test_person_signs_in_and_returns_to_the_page_that_was_asked_for(
    organization: Organization,
) -> None:
    url = await organization.begin("/inbox/cb_1?tab=history")

    reply = await organization.finish(await press(organization.outside, url, sub="1"))

    assert (reply.status_code, reply.headers["location"]) == (303, "/inbox/cb_1?tab=history")
    assert await organization.browser.user() == "Ada Lovelace"
    (session,) = await sessions_of(organization.house)
    assert (session["user"], session["groups"]) == (ADA, ["finance", "ops"])
    assert session["admin"] is True
    assert session["signed_in_by"] == "OpenID Connect"


async def test_request_has_state_nonce_and_s256_challenge(organization: Organization) -> None:
    first, second = [query_of(await organization.begin()) for _ in range(2)]

    assert (first["response_type"], first["client_id"]) == ("code", "ringback")
    assert first["redirect_uri"] == REDIRECT_URI
    assert first["scope"] == "openid email profile"
    assert first["code_challenge_method"] == "S256"
    for name in ("state", "nonce", "code_challenge"):
        assert len(first[name]) == 43
        assert first[name] != second[name]
    assert len({first["state"], first["nonce"], first["code_challenge"]}) == 3


async def test_cookie_of_the_sign_in_is_short_lived_and_hidden(organization: Organization) -> None:
    reply = await organization.browser.get("/sign-in")

    cookie = reply.headers["set-cookie"]
    query = query_of(reply.headers["location"])
    assert cookie.startswith("__Host-ringback-sign-in=")
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=600"):
        assert part in cookie
    assert query["state"] not in cookie
    assert query["nonce"] not in cookie


async def test_refusal_at_the_provider_is_shown(organization: Organization) -> None:
    url = await organization.begin()

    reply = await organization.finish(
        await press(organization.outside, url, action="deny") + f"&state={query_of(url)['state']}"
    )

    assert reply.status_code == 403
    assert "did not sign you in" in reply.text
    assert '<a href="/sign-in">Sign in again</a>' in reply.text
    assert await sessions_of(organization.house) == []


async def test_reply_is_used_once(organization: Organization) -> None:
    back = await press(organization.outside, await organization.begin(), sub="1")
    await organization.finish(back)

    again = await organization.finish(back)

    # The person is signed in, so the address in the history does no harm.
    assert (again.status_code, again.headers["location"]) == (303, "/inbox")
    assert len(await sessions_of(organization.house)) == 1


async def test_code_is_used_once_even_in_the_browser_that_began(
    organization: Organization,
) -> None:
    back = await press(organization.outside, await organization.begin(), sub="1")
    cookies = dict(organization.browser.http.cookies)
    await organization.finish(back)

    async with opened_browser(organization.house.app) as copy:
        copy.http.cookies.set(
            "__Host-ringback-sign-in", cookies["__Host-ringback-sign-in"], domain="ring.example"
        )
        organization.browser = copy
        replayed = await organization.finish(back)

        assert replayed.status_code == 403
        assert "identity provider refused this sign-in" in replayed.text
    assert len(await sessions_of(organization.house)) == 1


async def test_reply_in_another_browser_signs_nobody_in(organization: Organization) -> None:
    """An attacker sends a victim the address that signs in as the attacker."""
    back = await press(organization.outside, await organization.begin(), sub="1")

    async with opened_browser(organization.house.app) as victim:
        organization.browser = victim
        without = await organization.finish(back)
        await organization.begin()
        with_own = await organization.finish(back)

    for reply in (without, with_own):
        assert reply.status_code == 403
        assert "began in another browser" in reply.text
    assert await sessions_of(organization.house) == []


async def test_edited_state_signs_nobody_in(organization: Organization) -> None:
    back = await press(organization.outside, await organization.begin(), sub="1")

    for edited in (back.replace("state=", "state=x"), back.partition("&state=")[0], back + "é"):
        assert (await organization.finish(edited)).status_code == 403
    assert await sessions_of(organization.house) == []


async def test_invented_code_signs_nobody_in(organization: Organization) -> None:
    state = query_of(await organization.begin())["state"]

    for code in ("invented", "", "a" * 5000, "%00"):
        reply = await organization.finish(f"{REDIRECT_URI}?state={state}&code={code}")
        assert reply.status_code == 403
    assert await sessions_of(organization.house) == []


async def test_sign_in_that_takes_too_long_is_refused(organization: Organization) -> None:
    back = await press(organization.outside, await organization.begin(), sub="1")
    organization.house.clock.advance(LOGIN_LIFETIME + timedelta(seconds=1))

    reply = await organization.finish(back)

    assert reply.status_code == 403
    assert "took too long" in reply.text


async def test_reply_of_another_issuer_is_refused(organization: Organization) -> None:
    back = await press(organization.outside, await organization.begin(), sub="1")

    reply = await organization.finish(back + "&iss=https%3A%2F%2Fevil.example")

    assert reply.status_code == 403
    assert "another identity provider" in reply.text
    assert await sessions_of(organization.house) == []


async def test_unverified_address_is_refused(organization: Organization, issuer: str) -> None:
    await add_user(organization.outside, issuer, "2", email=ADA, email_verified=False)
    back = await press(organization.outside, await organization.begin(), sub="2")

    reply = await organization.finish(back)

    assert reply.status_code == 403
    assert "not verified" in reply.text
    assert await sessions_of(organization.house) == []


async def test_other_domain_is_refused(issuer: str) -> None:
    async with opened_organization(
        issuer, allowed_domains=frozenset({"example.org"})
    ) as organization:
        await add_user(organization.outside, issuer, "3", email="eve@evil.example")
        back = await press(organization.outside, await organization.begin(), sub="3")

        reply = await organization.finish(back)

        assert reply.status_code == 403
        assert "may not sign in here" in reply.text


@pytest.mark.parametrize("path", ["//evil.example", "/\\evil.example", "https:evil.example"])
async def test_sign_in_leads_to_no_other_site(organization: Organization, path: str) -> None:
    back = await press(organization.outside, await organization.begin(path), sub="1")

    reply = await organization.finish(back)

    assert (reply.status_code, reply.headers["location"]) == (303, "/inbox")


async def test_other_claims_name_user_and_groups(issuer: str) -> None:
    async with opened_organization(
        issuer, user_claim="staff_id", groups_claim="teams"
    ) as organization:
        await add_user(
            organization.outside, issuer, "4", staff_id="A-17", teams="finance", name="Ada"
        )
        back = await press(organization.outside, await organization.begin(), sub="4")

        await organization.finish(back)

        (session,) = await sessions_of(organization.house)
        assert (session["user"], session["groups"]) == ("A-17", ["finance"])
