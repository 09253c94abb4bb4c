"""A gateway whose people sign in at an identity provider, and their browser."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

import httpx2

from ringback.app.system import SystemClock
from ringback.core.sessions import SessionRules
from ringback.domain.person import parse_admins
from ringback.gateway.identity.claims import ClaimRules
from ringback.gateway.identity.oidc import PATIENCE, OidcConfig, OidcProvider
from ringback.gateway.identity.ways import Cookies, SignInWays
from tests.fake_edges import BASE
from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.identity.browser import Browser, opened_browser

REDIRECT_URI: Final = f"{BASE}/sign-in/oidc"
CLIENT_ID: Final = "ringback"
CLIENT_SECRET: Final = "the secret of the client, long enough for HS256"  # noqa: S105 - a test's


@dataclass
class Organization:
    """A gateway, and a browser that can also reach the provider."""

    house: House
    browser: Browser
    outside: httpx2.AsyncClient

    async def begin(self, next_path: str = "/inbox") -> str:
        """Open the sign-in page; return the URL of the provider that it leads to."""
        reply = await self.browser.http.get("/sign-in", params={"next": next_path})
        assert reply.status_code == 303, reply.text
        return str(reply.headers["location"])

    async def finish(self, url: str) -> httpx2.Response:
        """Open the URL at the gateway to which the provider sent the browser."""
        assert url.startswith(REDIRECT_URI), url
        return await self.browser.get(url.removeprefix(BASE))


def query_of(url: str) -> dict[str, str]:
    """Return the query of a URL, in which each name occurs once."""
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query).items()}


@asynccontextmanager
async def opened_organization(
    issuer: str, *, patience: timedelta = PATIENCE, admins: str = "", **rules: Any
) -> AsyncIterator[Organization]:
    """Open a gateway on fakes whose people sign in at the provider `issuer`."""
    config = OidcConfig(
        issuer=issuer,
        client_id=CLIENT_ID,
        client_secret=CLIENT_SECRET,
        scopes="openid email profile",
        redirect_uri=REDIRECT_URI,
        rules=ClaimRules(**rules),
    )
    ways = SignInWays(
        cookies=Cookies(BASE),
        provider=OidcProvider(config, clock=SystemClock(), patience=patience),
    )
    session_rules = SessionRules(admins=parse_admins(admins))
    async with (
        opened_house(sign_in_ways=ways, session_rules=session_rules) as house,
        opened_browser(house.app) as browser,
        httpx2.AsyncClient() as outside,
    ):
        yield Organization(house, browser, outside)
