"""Headers of a proxy count from the proxy only."""

from collections.abc import AsyncIterator
from ipaddress import ip_network

import httpx2
import pytest
from starlette.requests import Request

from ringback.app.web import bound_socket, served, url_of
from ringback.core.sessions import SessionRules
from ringback.domain.person import parse_admins
from ringback.gateway.identity.person import find_person
from ringback.gateway.identity.proxy import ProxyHeaders
from ringback.gateway.identity.ways import Cookies, SignInWays
from tests.fake_edges import BASE
from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.identity.browser import HTML, Browser, new_url, opened_browser, user_in

USER, GROUPS, NAME = "x-user", "x-groups", "x-name"


@pytest.fixture
async def house() -> AsyncIterator[House]:
    proxy = ProxyHeaders(
        networks=[ip_network("10.0.0.0/29"), ip_network("fd00::1")],
        user=USER,
        groups=GROUPS,
        name=NAME,
    )
    ways = SignInWays(cookies=Cookies(BASE), proxy=proxy)
    rules = SessionRules(admins=parse_admins("group:ops"))
    async with opened_house(sign_in_ways=ways, session_rules=rules) as house:
        yield house


@pytest.fixture
async def proxied(house: House) -> AsyncIterator[Browser]:
    """A browser whose requests come from the proxy."""
    async with opened_browser(house.app, peer="10.0.0.2") as browser:
        yield browser


async def user_of(browser: Browser, *headers: tuple[str, str]) -> str | None:
    page = await browser.http.get("/sign-in/done", headers=[*HTML.items(), *headers])
    return user_in(page)


async def test_proxy_names_the_person(proxied: Browser) -> None:
    named = await user_of(proxied, (USER, "ada"), (NAME, "Ada, Countess of Lovelace"))
    without_name = await user_of(proxied, (USER, "ada"))
    nobody = await user_of(proxied)

    assert (named, without_name, nobody) == ("Ada, Countess of Lovelace", "ada", None)


@pytest.mark.parametrize("peer", ["10.0.0.8", "127.0.0.1", "fd00::2", "", "unix", "10.0.0.2.evil"])
async def test_forged_headers_from_elsewhere_are_ignored(house: House, peer: str) -> None:
    forged = [(USER, "ada"), ("x-forwarded-for", "10.0.0.2"), ("forwarded", "for=10.0.0.2")]
    async with opened_browser(house.app, peer=peer) as browser:
        page = await browser.http.get("/sign-in/done", headers=[*HTML.items(), *forged])

        assert page.status_code == 303
        assert await user_of(browser, *forged) is None


@pytest.mark.parametrize("peer", ["10.0.0.1", "::ffff:10.0.0.1", "fd00::1", "fd00:0::0:1"])
async def test_every_form_of_a_listed_address_is_trusted(house: House, peer: str) -> None:
    async with opened_browser(house.app, peer=peer) as browser:
        assert await user_of(browser, (USER, "ada")) == "ada"


@pytest.mark.parametrize(
    "headers",
    [
        [(USER, "ada"), (USER, "eve")],
        [(USER, "ada"), (USER, "ada")],
        [(USER, "ada"), ("X-User", "eve")],
        [(USER, "ada, eve")],
        [(USER, "ada"), (GROUPS, "ops"), (GROUPS, "finance")],
        [(USER, "ada"), (NAME, "Ada"), (NAME, "Eve")],
        [(USER, "link")],
        [(USER, "a" * 300)],
        [(USER, "ada"), (GROUPS, "g" * 300)],
    ],
    ids=str,
)
async def test_ambiguous_headers_return_403(
    proxied: Browser, headers: list[tuple[str, str]]
) -> None:
    page = await proxied.http.get("/sign-in/done", headers=[*HTML.items(), *headers])

    assert page.status_code == 403
    assert "proxy" in page.text


async def test_names_may_be_utf_8_or_latin_1(proxied: Browser) -> None:
    for encoding in ("utf-8", "latin-1"):
        reply = await proxied.http.get(
            "/sign-in/done",
            headers=[(b"accept", b"text/html"), (b"x-user", "Zoë".encode(encoding))],
        )
        assert user_in(reply) == "Zoë"


async def test_empty_header_means_nobody(proxied: Browser) -> None:
    assert await user_of(proxied, (USER, "  ")) is None


async def test_proxy_wins_over_a_session(house: House, proxied: Browser) -> None:
    await proxied.sign_in(await new_url(house, "eve"))

    assert await proxied.user() == "eve"
    assert await user_of(proxied, (USER, "ada")) == "ada"


async def test_sign_in_page_says_that_the_proxy_signs_in(house: House) -> None:
    async with opened_browser(house.app) as browser:
        page = await browser.get("/sign-in")

        assert "through the proxy" in page.text


async def test_person_of_the_proxy_goes_on_at_once(proxied: Browser) -> None:
    reply = await proxied.http.get("/sign-in?next=/inbox/cb_1", headers={USER: "ada"})

    assert (reply.status_code, reply.headers["location"]) == (303, "/inbox/cb_1")


async def test_admins_are_found_by_the_groups_of_the_proxy(house: House) -> None:
    gateway = house.app.state.gateway
    headers = [(b"x-user", b"ada"), (b"x-groups", b"finance, Ops ,")]
    request = Request({"type": "http", "client": ("10.0.0.1", 1), "headers": headers})

    person = await find_person(gateway, request)

    assert person is not None
    assert person.groups == {"finance", "Ops"}
    assert person.is_admin


async def test_forwarded_address_is_ignored_by_the_real_server(house: House) -> None:
    """The server itself would replace the address by `X-Forwarded-For` from this machine."""
    forged = {**HTML, USER: "ada", "x-forwarded-for": "10.0.0.2", "x-real-ip": "10.0.0.2"}
    with bound_socket("127.0.0.1", 0) as listening:
        async with served(house.app, listening), httpx2.AsyncClient() as http:
            page = await http.get(f"{url_of(listening)}/sign-in/done", headers=forged)

    assert page.status_code == 303
