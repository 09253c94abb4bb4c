"""A browser, as far as signing in is concerned: cookies, and what it says about its forms."""

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx2
from starlette.applications import Starlette

from ringback.domain.api_key import Role
from tests.fake_edges import BASE
from tests.unit.gateway.house import House

HTML: Final = {"accept": "text/html", "user-agent": "a browser"}
FROM_OUR_PAGE: Final = {"sec-fetch-site": "same-origin", "origin": BASE}
FROM_ELSEWHERE: Final = {"sec-fetch-site": "cross-site", "origin": "https://evil.example"}


class Browser:
    """One browser with cookies of its own."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        """Open a page."""
        return await self.http.get(path, headers=HTML | headers)

    async def post(
        self,
        path: str,
        fields: Mapping[str, str | list[str]] | None = None,
        *,
        sent_from: dict[str, str] = FROM_OUR_PAGE,
    ) -> httpx2.Response:
        """Send a form."""
        return await self.http.post(path, data=fields or {}, headers=HTML | sent_from)

    async def sign_in(self, url: str) -> httpx2.Response:
        """Open a sign-in URL, and press its button."""
        page = await self.get(url)
        assert page.status_code == 200, page.text
        return await self.post(url, {"csrf": csrf_of(page)})

    async def user(self) -> str | None:
        """Return the name that a page shows; `None` if it asks to sign in."""
        return user_in(await self.get("/sign-in/done"))


@asynccontextmanager
async def opened_browser(
    app: Starlette, *, base: str = BASE, peer: str = "127.0.0.1"
) -> AsyncIterator[Browser]:
    """Open a browser without cookies, whose connections come from `peer`."""
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False, client=(peer, 123))
    async with httpx2.AsyncClient(transport=transport, base_url=base) as http:
        yield Browser(http)


def user_in(page: httpx2.Response) -> str | None:
    """Return the name of the signed-in person on a page; `None` if there is none."""
    found = re.search(r"You are <bdi>([^<]+)</bdi>\. Close", page.text)
    return found[1] if found else None


def csrf_of(page: httpx2.Response) -> str:
    """Return the token in the form of a page."""
    found = re.search(r'name="csrf" value="([^"]+)"', page.text)
    assert found is not None, page.text
    return found[1]


async def new_url(house: House, user: str = "ada@example.org", **more: Any) -> str:
    """Create a sign-in URL; return its path."""
    reply = await house.post("/v1/sign-in-urls", json={"user": user, **more})
    assert reply.status_code == 200, reply.text
    url: str = reply.json()["url"]
    assert url.startswith(BASE)
    return url.removeprefix(BASE)


async def sessions_of(house: House) -> list[dict[str, Any]]:
    """Return the sessions that are valid now."""
    reply = await house.get("/v1/sessions", Role.OPERATOR)
    found: list[dict[str, Any]] = reply.json()["sessions"]
    return found
