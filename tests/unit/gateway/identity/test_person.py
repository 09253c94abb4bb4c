"""A page that needs a person sends others to sign in, and back."""

import pytest

from ringback.gateway.identity.ways import Cookies, SignInWays
from tests.unit.gateway.house import PROBLEM, House, opened_house
from tests.unit.gateway.identity.browser import Browser, csrf_of, new_url, opened_browser


async def test_browser_is_sent_to_sign_in_and_back(browser: Browser) -> None:
    reply = await browser.get("/sign-in/done?a=%2F&b=1")

    assert reply.status_code == 303
    assert reply.headers["location"] == "/sign-in?next=%2Fsign-in%2Fdone%3Fa%3D%252F%26b%3D1"
    assert reply.headers["cache-control"] == "no-store"


async def test_program_gets_401(browser: Browser) -> None:
    reply = await browser.http.get("/sign-in/done", headers={"accept": "application/json"})

    assert (reply.status_code, reply.headers["content-type"]) == (401, PROBLEM)
    assert reply.json()["title"] == "not signed in"


async def test_sign_in_page_says_how_to_get_a_url(browser: Browser) -> None:
    page = await browser.get("/sign-in?next=/inbox")

    assert page.status_code == 200
    assert "ringback sign-in-url" in page.text


async def test_signed_in_person_goes_on_at_once(house: House, browser: Browser) -> None:
    await browser.sign_in(await new_url(house))

    for asked, path in [("/inbox/cb_1", "/inbox/cb_1"), ("//evil.example", "/inbox")]:
        reply = await browser.http.get("/sign-in", params={"next": asked})
        assert (reply.status_code, reply.headers["location"]) == (303, path)


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "\x00", "a" * 5000, "é" * 43, "'; --"])
async def test_any_cookie_is_safe(house: House, cookie: str) -> None:
    async with opened_browser(house.app) as browser:
        reply = await browser.http.get(
            "/sign-in/done", headers=[(b"cookie", b"__Host-ringback=" + cookie.encode())]
        )

        assert reply.status_code == 401


async def test_paths_behind_a_prefix_have_the_prefix() -> None:
    url = "https://ring.example/ringback"
    ways = SignInWays(cookies=Cookies(url))
    async with (
        opened_house(public_url=url, sign_in_ways=ways) as house,
        opened_browser(house.app) as browser,
    ):
        away = await browser.get("/sign-in/done")
        made = await house.post("/v1/sign-in-urls", json={"user": "ada"})
        # The proxy removes the prefix.
        path = made.json()["url"].removeprefix(url)
        page = await browser.get(path)
        reply = await browser.post(path, {"csrf": csrf_of(page)})

        assert away.headers["location"].startswith("/ringback/sign-in?next=%2Fsign-in")
        assert reply.headers["location"] == "/ringback/inbox"
        assert 'action="/ringback/"' in page.text
