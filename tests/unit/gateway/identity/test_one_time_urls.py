"""A one-time URL signs one browser in, and only with its button."""

import asyncio
import re
from datetime import timedelta
from http.cookies import SimpleCookie

import httpx2
import pytest

from ringback.domain.api_key import Role
from ringback.gateway.identity.ways import Cookies, SignInWays
from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.identity.browser import (
    FROM_ELSEWHERE,
    HTML,
    Browser,
    csrf_of,
    new_url,
    opened_browser,
    sessions_of,
)

HOUR = timedelta(hours=1)


async def test_button_signs_the_person_in(house: House, browser: Browser) -> None:
    url = await new_url(house, name="Ada Lovelace", groups=["finance"], admin=True)

    page = await browser.get(url)
    reply = await browser.post(url, {"csrf": csrf_of(page)})

    assert "Sign in as <bdi>ada@example.org</bdi>" in page.text
    assert (reply.status_code, reply.headers["location"]) == (303, "/inbox")
    assert await browser.user() == "Ada Lovelace"
    (session,) = await sessions_of(house)
    assert session["user"] == "ada@example.org"
    assert session["groups"] == ["finance"]
    assert session["admin"] is True
    assert (session["signed_in_by"], session["user_agent"]) == ("one-time URL", "a browser")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_opening_the_url_uses_nothing_up(house: House, browser: Browser, method: str) -> None:
    url = await new_url(house)

    for _ in range(3):
        reply = await browser.http.request(method, url, headers=HTML)
        assert reply.status_code == 200
        assert "set-cookie" not in reply.headers

    assert await sessions_of(house) == []
    assert (await browser.sign_in(url)).status_code == 303


async def test_page_gives_scanners_nothing_to_press(house: House, browser: Browser) -> None:
    """Some open the page, run scripts, press Enter, and press the first button."""
    url = await new_url(house)
    page = await browser.get(url)

    first = re.search(r"<form[^>]*>\s*<button[^>]*>[^<]*", page.text)

    assert "autofocus" not in page.text
    assert "<script" not in page.text
    assert first is not None
    assert 'method="get"' in first[0]
    assert "I am somebody else" in first[0]
    # Enter sends a form only from a field that can have the focus.
    assert re.findall(r'<input(?! type="hidden")', page.text) == []


async def test_second_use_returns_410(house: House, browser: Browser) -> None:
    url = await new_url(house)
    csrf = csrf_of(await browser.get(url))
    await browser.post(url, {"csrf": csrf})

    async with opened_browser(house.app) as other:
        opened = await other.get(url)
        used = await other.post(url, {"csrf": csrf})

        assert (opened.status_code, used.status_code) == (410, 410)
        assert "ask for a new one" in opened.text
        assert "ask for a new one" in used.text
        assert "set-cookie" not in used.headers
        assert await other.user() is None
    assert len(await sessions_of(house)) == 1


async def test_expired_url_returns_410(house: House, browser: Browser) -> None:
    url = await new_url(house, **{"for": "10m"})
    csrf = csrf_of(await browser.get(url))
    house.clock.advance(timedelta(minutes=10))

    assert (await browser.get(url)).status_code == 410
    assert (await browser.post(url, {"csrf": csrf})).status_code == 410
    assert await sessions_of(house) == []


async def test_invented_url_returns_410(browser: Browser) -> None:
    assert (await browser.get("/sign-in/once/" + "A" * 43)).status_code == 410


async def test_of_two_hundred_parallel_uses_one_signs_in(house: House, browser: Browser) -> None:
    url = await new_url(house)
    csrf = csrf_of(await browser.get(url))

    replies = await asyncio.gather(*(browser.post(url, {"csrf": csrf}) for _ in range(200)))

    statuses = sorted(reply.status_code for reply in replies)
    assert statuses == [303] + [410] * 199
    assert len(await sessions_of(house)) == 1


async def test_form_of_another_site_returns_403(house: House, browser: Browser) -> None:
    url = await new_url(house)
    csrf = csrf_of(await browser.get(url))

    reply = await browser.post(url, {"csrf": csrf}, sent_from=FROM_ELSEWHERE)

    assert reply.status_code == 403
    assert await sessions_of(house) == []
    assert (await browser.sign_in(url)).status_code == 303


async def test_token_of_another_url_returns_403(house: House, browser: Browser) -> None:
    url, other = await new_url(house), await new_url(house, "eve")
    csrf = csrf_of(await browser.get(other))

    replies = [await browser.post(url, {"csrf": csrf}), await browser.post(url)]

    assert [reply.status_code for reply in replies] == [403, 403]
    assert await sessions_of(house) == []


def cookie_of(reply: httpx2.Response) -> SimpleCookie:
    return SimpleCookie(reply.headers["set-cookie"])


async def test_cookie_behind_https_has_the_host_prefix(house: House, browser: Browser) -> None:
    reply = await browser.sign_in(await new_url(house))

    (name,) = cookie_of(reply)
    cookie = cookie_of(reply)[name]
    assert name == "__Host-ringback"
    assert (cookie["secure"], cookie["httponly"], cookie["path"]) == (True, True, "/")
    assert cookie["samesite"] == "lax"
    assert cookie["domain"] == ""
    assert cookie["max-age"] == str(12 * 3600)


async def test_cookie_over_http_on_loopback_is_not_secure() -> None:
    url = "http://127.0.0.1:8000"
    ways = SignInWays(cookies=Cookies(url))
    async with (
        opened_house(public_url=url, sign_in_ways=ways) as house,
        opened_browser(house.app, base=url) as browser,
    ):
        made = await house.post("/v1/sign-in-urls", json={"user": "ada"})
        path = made.json()["url"].removeprefix(url)
        page = await browser.get(path)
        reply = await browser.post(
            path, {"csrf": csrf_of(page)}, sent_from={"sec-fetch-site": "same-origin"}
        )

        (name,) = cookie_of(reply)
        assert name == "ringback"
        assert cookie_of(reply)[name]["secure"] == ""
        assert cookie_of(reply)[name]["httponly"] is True
        assert await browser.user() == "ada"


async def test_planted_cookie_is_not_adopted(house: House, browser: Browser) -> None:
    """Session fixation: an attacker plants a cookie, and waits until the victim signs in."""
    planted = "A" * 43
    browser.http.cookies.set("__Host-ringback", planted, domain="ring.example")

    await browser.sign_in(await new_url(house))

    assert await browser.user() == "ada@example.org"
    async with opened_browser(house.app) as attacker:
        attacker.http.cookies.set("__Host-ringback", planted, domain="ring.example")
        assert await attacker.user() is None


async def test_signing_in_ends_the_session_that_the_browser_had(
    house: House, browser: Browser
) -> None:
    await browser.sign_in(await new_url(house))
    old = browser.http.cookies["__Host-ringback"]

    page = await browser.get(url := await new_url(house, "eve"))
    await browser.post(url, {"csrf": csrf_of(page)})

    assert "You are signed in as <bdi>ada@example.org</bdi> now" in page.text
    assert await browser.user() == "eve"
    assert [session["user"] for session in await sessions_of(house)] == ["eve"]
    async with opened_browser(house.app) as thief:
        thief.http.cookies.set("__Host-ringback", old, domain="ring.example")
        assert await thief.user() is None


async def test_signing_out_ends_the_session(house: House, browser: Browser) -> None:
    await browser.sign_in(await new_url(house))
    secret = browser.http.cookies["__Host-ringback"]
    csrf = csrf_of(await browser.get("/sign-in/done"))

    refused = await browser.post("/sign-out", {"csrf": csrf}, sent_from=FROM_ELSEWHERE)
    reply = await browser.post("/sign-out", {"csrf": csrf})

    assert refused.status_code == 403
    assert (reply.status_code, reply.headers["location"]) == (303, "/")
    assert "__Host-ringback" not in browser.http.cookies
    browser.http.cookies.set("__Host-ringback", secret, domain="ring.example")
    assert await browser.user() is None


async def test_signing_out_needs_the_token_of_the_session(house: House, browser: Browser) -> None:
    await browser.sign_in(await new_url(house))
    csrf = house.keyring.seal("csrf", "person:se_another")

    reply = await browser.post("/sign-out", {"csrf": csrf})

    assert reply.status_code == 403
    assert await browser.user() == "ada@example.org"


async def test_signing_out_twice_is_harmless(browser: Browser) -> None:
    assert (await browser.post("/sign-out")).status_code == 303


async def test_revoked_session_is_signed_out_at_once(house: House, browser: Browser) -> None:
    await browser.sign_in(await new_url(house))
    (session,) = await sessions_of(house)

    reply = await house.call(Role.OPERATOR, "DELETE", f"/v1/sessions/{session['id']}")

    assert reply.json()["revoked_at"] is not None
    assert await browser.user() is None
    assert await sessions_of(house) == []


async def test_session_ends_after_its_lifetime_and_when_idle(house: House) -> None:
    async with opened_browser(house.app) as used, opened_browser(house.app) as idle:
        await used.sign_in(await new_url(house))
        await idle.sign_in(await new_url(house))

        users = []
        for _ in range(4):
            house.clock.advance(3 * HOUR)
            users.append(await used.user())

        assert users == ["ada@example.org"] * 3 + [None]
        assert await idle.user() is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user": ""},
        {"user": "link"},
        {"user": "a\nb"},
        {"user": "ada", "groups": [" x"]},
        {"user": "ada", "admin": "yes"},
        {"user": "ada", "for": "0s"},
        {"user": "a" * 201},
        {"user": "ada", "more": 1},
    ],
    ids=str,
)
async def test_url_for_impossible_person_returns_422(house: House, body: object) -> None:
    reply = await house.post("/v1/sign-in-urls", json=body)

    assert reply.status_code == 422


@pytest.mark.parametrize("role", [Role.WORKER, Role.VIEWER])
async def test_only_operators_manage_sign_ins(house: House, role: Role) -> None:
    replies = [
        await house.post("/v1/sign-in-urls", role, json={"user": "ada"}),
        await house.get("/v1/sessions", role),
        await house.call(role, "DELETE", "/v1/sessions/se_x"),
        await house.call(role, "DELETE", "/v1/sessions?user=ada"),
    ]

    assert [reply.status_code for reply in replies] == [403] * 4


async def test_all_sessions_of_a_user_are_revoked(house: House, browser: Browser) -> None:
    await browser.sign_in(await new_url(house, "Ada@example.org"))

    reply = await house.call(Role.OPERATOR, "DELETE", "/v1/sessions?user=ada@EXAMPLE.org")

    assert reply.json() == {"revoked": 1}
    assert await browser.user() is None


async def test_revoking_unknown_session_returns_404(house: House) -> None:
    reply = await house.call(Role.OPERATOR, "DELETE", "/v1/sessions/se_x")

    assert (reply.status_code, reply.json()["title"]) == (404, "unknown session")


async def test_store_that_is_away_returns_503_and_uses_nothing_up(
    house: House, browser: Browser
) -> None:
    url = await new_url(house)
    csrf = csrf_of(await browser.get(url))
    house.database.is_available = False
    away = await browser.post(url, {"csrf": csrf})
    house.database.is_available = True

    assert away.status_code == 503
    assert (await browser.post(url, {"csrf": csrf})).status_code == 303
