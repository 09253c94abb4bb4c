"""A provider that fails, hangs or lies signs nobody in, and breaks nothing."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse

from ringback.app.system import SystemClock
from tests.integration.sign_in.altered_provider import (
    AlteredProvider,
    key_of,
    running_altered_provider,
    signed_with_client_secret,
    unsigned,
)
from tests.integration.sign_in.organization import Organization, opened_organization
from tests.polling import pause
from tests.unit.gateway.identity.browser import new_url, sessions_of

CONFIGURATION = "/.well-known/openid-configuration"
PATIENCE = timedelta(seconds=0.3)
STEPS = [CONFIGURATION, "/token", "/keys", "/userinfo"]
FOREVER = 10**11


@pytest.fixture
async def provider() -> AsyncIterator[AlteredProvider]:
    async with running_altered_provider() as provider:
        yield provider


@pytest.fixture
async def organization(provider: AlteredProvider) -> AsyncIterator[Organization]:
    async with opened_organization(provider.issuer) as organization:
        yield organization


async def sign_in(organization: Organization, provider: AlteredProvider) -> httpx2.Response:
    return await organization.finish(provider.come_back(await organization.begin()))


async def assert_refused(organization: Organization, reply: httpx2.Response, status: int) -> None:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"].startswith("text/html")
    assert "__Host-ringback=" not in reply.headers.get("set-cookie", "")
    assert await sessions_of(organization.house) == []


async def test_unaltered_provider_signs_in(
    organization: Organization, provider: AlteredProvider
) -> None:
    reply = await sign_in(organization, provider)

    assert reply.status_code == 303
    assert provider.sent["grant_type"] == "authorization_code"
    assert len(provider.sent["code_verifier"]) == 43
    assert provider.sent["authorization"].startswith("Basic ")
    assert "client_secret" not in provider.sent


@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "another"},
        {"nonce": None},
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another client"},
        {"aud": None},
        {"aud": ["ringback", "another"]},
        {"azp": "another client"},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"iat": FOREVER},
        {"iat": None},
        {"nbf": FOREVER},
        {"sub": None},
        {"at_hash": "wrong"},
        {"email": None},
        {"email_verified": False},
    ],
    ids=str,
)
async def test_wrong_claim_signs_nobody_in(
    organization: Organization, provider: AlteredProvider, claims: dict[str, Any]
) -> None:
    provider.claims = claims

    await assert_refused(organization, await sign_in(organization, provider), 403)


async def test_token_that_just_expired_is_accepted_within_a_minute(
    organization: Organization, provider: AlteredProvider
) -> None:
    """The clocks of two machines differ."""
    provider.claims = {"exp": int(SystemClock().now().timestamp()) - 20}

    assert (await sign_in(organization, provider)).status_code == 303


@pytest.mark.parametrize(
    "forge",
    [
        unsigned,
        signed_with_client_secret,
        lambda _: "",
        lambda _: "a.b.c",
        lambda _: "a" * 100_000,
        lambda _: "eyJhbGciOiJSUzI1NiJ9..",
    ],
    ids=["unsigned", "signed with the client secret", "empty", "no token", "long", "no signature"],
)
async def test_forged_token_signs_nobody_in(
    organization: Organization, provider: AlteredProvider, forge: Any
) -> None:
    provider.forge = forge

    await assert_refused(organization, await sign_in(organization, provider), 403)


async def test_token_signed_with_another_key_signs_nobody_in(
    organization: Organization, provider: AlteredProvider
) -> None:
    provider.published = [key_of("attacker", "k1")]

    await assert_refused(organization, await sign_in(organization, provider), 403)


async def test_new_key_of_the_provider_is_fetched_once(
    organization: Organization, provider: AlteredProvider
) -> None:
    for _ in range(2):
        assert (await sign_in(organization, provider)).status_code == 303
        await organization.house.call(None, "GET", "/")
        organization.browser.http.cookies.clear()
    before = provider.asked.count("/keys")
    provider.key = key_of("provider", "k2")

    for _ in range(2):
        assert (await sign_in(organization, provider)).status_code == 303
        organization.browser.http.cookies.clear()

    assert (before, provider.asked.count("/keys")) == (1, 2)
    assert provider.asked.count(CONFIGURATION) == 1


async def test_userinfo_of_another_person_signs_nobody_in(
    organization: Organization, provider: AlteredProvider
) -> None:
    provider.userinfo = {"sub": "2", "email": "eve@example.org"}

    reply = await sign_in(organization, provider)

    await assert_refused(organization, reply, 403)
    assert "another person" in reply.text


async def test_userinfo_does_not_replace_what_was_signed(
    organization: Organization, provider: AlteredProvider
) -> None:
    provider.userinfo = {"email": "eve@example.org", "name": "Ada", "groups": ["finance"]}

    await sign_in(organization, provider)

    (session,) = await sessions_of(organization.house)
    assert (session["user"], session["name"]) == ("ada@example.org", "Ada")
    assert session["groups"] == ["finance"]


@pytest.mark.parametrize("path", STEPS)
async def test_provider_that_hangs_ends_in_time(provider: AlteredProvider, path: str) -> None:
    async with opened_organization(provider.issuer, patience=PATIENCE) as organization:
        provider.hangs_at = path
        if path == CONFIGURATION:
            reply = await organization.browser.get("/sign-in")
        else:
            reply = await sign_in(organization, provider)

        await assert_refused(organization, reply, 503)
        assert reply.headers["retry-after"]
        assert "sign in again" in reply.text

        provider.hangs_at = None
        assert (await sign_in(organization, provider)).status_code == 303


async def drip() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await pause()


async def test_provider_that_replies_byte_by_byte_ends_in_time(provider: AlteredProvider) -> None:
    async with opened_organization(provider.issuer, patience=PATIENCE) as organization:
        provider.replies[CONFIGURATION] = StreamingResponse(drip())

        reply = await organization.browser.get("/sign-in")

        await assert_refused(organization, reply, 503)


@pytest.mark.parametrize(
    "wrong",
    [
        PlainTextResponse("down", 500),
        PlainTextResponse("<html>", 200),
        JSONResponse([1]),
        JSONResponse({}),
        PlainTextResponse("", 302, headers={"location": "https://evil.example"}),
    ],
    ids=["500", "html", "list", "empty", "redirect"],
)
@pytest.mark.parametrize("path", [CONFIGURATION, "/token", "/keys"])
async def test_unusable_reply_is_reported(
    organization: Organization, provider: AlteredProvider, path: str, wrong: Any
) -> None:
    provider.replies[path] = wrong

    if path == CONFIGURATION:
        reply = await organization.browser.get("/sign-in")
    else:
        reply = await sign_in(organization, provider)

    await assert_refused(organization, reply, 503)
    provider.replies.clear()
    assert (await sign_in(organization, provider)).status_code == 303


async def test_refused_code_is_reported(
    organization: Organization, provider: AlteredProvider
) -> None:
    provider.replies["/token"] = JSONResponse({"error": "invalid_grant"}, 400)

    reply = await sign_in(organization, provider)

    await assert_refused(organization, reply, 403)
    assert "invalid_grant" in reply.text


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"},
        {"issuer": None},
        {"authorization_endpoint": None},
        {"token_endpoint": 5},
        {"jwks_uri": None},
    ],
    ids=str,
)
async def test_wrong_configuration_is_reported(
    organization: Organization, provider: AlteredProvider, metadata: dict[str, Any]
) -> None:
    provider.metadata = metadata

    await assert_refused(organization, await organization.browser.get("/sign-in"), 503)


async def test_secret_is_sent_in_the_form_if_the_provider_wants_that(
    organization: Organization, provider: AlteredProvider
) -> None:
    provider.metadata = {"token_endpoint_auth_methods_supported": ["client_secret_post"]}

    assert (await sign_in(organization, provider)).status_code == 303
    assert provider.sent["client_secret"]
    assert provider.sent["authorization"] == ""


async def test_provider_that_is_away_leaves_other_ways_to_sign_in() -> None:
    async with opened_organization("http://127.0.0.1:9") as organization:
        away = await organization.browser.get("/sign-in")
        url = await new_url(organization.house)
        signed_in = await organization.browser.sign_in(url)

        assert away.status_code == 503
        assert signed_in.status_code == 303


async def test_no_secret_is_logged(
    organization: Organization, provider: AlteredProvider, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        await sign_in(organization, provider)
        provider.claims = {"nonce": "another"}
        organization.browser.http.cookies.clear()
        await sign_in(organization, provider)

    ours = [record.getMessage() for record in caplog.records if record.name.startswith("ringback")]
    text = "\n".join(ours)
    assert "ID token refused" in text
    for secret in (provider.sent["code_verifier"], provider.nonce, "ada@example.org", "eyJ"):
        assert secret not in text
