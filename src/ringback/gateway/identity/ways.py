"""The ways in which people can sign in to a gateway, and the cookies that remember it."""

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from ringback.domain.person import Person
from ringback.gateway.identity.login import Login
from ringback.gateway.identity.proxy import ProxyHeaders

_NAME: Final = "ringback"
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{20,128}")


class Cookies:
    """Reads and sets the cookies of one gateway.

    Behind https, a name with the prefix `__Host-` makes browsers accept the cookie only from this
    host, over https and for all paths, so no other host of the domain can set it. Over plain http,
    browsers would reject such a cookie.
    """

    def __init__(self, public_url: str) -> None:
        """Set cookies for the gateway at `public_url`."""
        self._is_secure = urlsplit(public_url).scheme == "https"
        self.session = f"__Host-{_NAME}" if self._is_secure else _NAME
        self.login = f"{self.session}-sign-in"

    def find_secret(self, request: Request) -> str | None:
        """Return the session's secret that the browser sent; `None` if it cannot be one."""
        secret = request.cookies.get(self.session, "")
        return secret if _SECRET.fullmatch(secret) else None

    def set(self, response: Response, name: str, value: str, *, lifetime: timedelta) -> None:
        """Set a cookie that no script can read and no other site's form sends."""
        response.set_cookie(
            name,
            value,
            max_age=round(lifetime.total_seconds()),
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite="lax",
        )

    def delete(self, response: Response, name: str) -> None:
        """Delete a cookie."""
        response.delete_cookie(
            name, path="/", secure=self._is_secure, httponly=True, samesite="lax"
        )


class IdentityProvider(Protocol):
    """An identity provider on another server."""

    async def sign_in_url(self, login: Login) -> str:
        """Return the URL of the provider at which a person signs in.

        Raises:
            IdentityProviderUnavailableError: The provider did not reply in time.
        """
        ...

    async def find_person(self, login: Login, *, code: str, issuer: str | None) -> Person:
        """Return the person that the provider names in exchange for a code.

        Args:
            login: The sign-in that this browser began.
            code: The code that the provider returned to the browser.
            issuer: Who issued the code, if the provider said so.

        Raises:
            SignInRefusedError: The provider refuses the code, its token is invalid, or this person
                may not sign in.
            IdentityProviderUnavailableError: The provider did not reply in time.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInWays:
    """The ways to sign in; one-time sign-in URLs always work.

    Attributes:
        cookies: The cookies of the gateway.
        proxy: The headers of trusted proxies, if there are any.
        provider: The identity provider, if there is one.
    """

    cookies: Cookies
    proxy: ProxyHeaders | None = None
    provider: IdentityProvider | None = None
