"""Signing in: its paths, and a sign-in with an identity provider that has begun."""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final
from urllib.parse import quote, urlencode

from starlette.requests import Request

from ringback.domain.link import Keyring

INBOX: Final = "/inbox"
"""Where a person goes who did not ask for another page."""

SIGN_IN: Final = "/sign-in"
SIGN_OUT: Final = "/sign-out"
OIDC_CALLBACK: Final = "/sign-in/oidc"
"""Where an identity provider sends the browser back."""

SIGNED_IN: Final = "/sign-in/done"
ONE_TIME: Final = "/sign-in/once"
"""The path of one-time sign-in URLs, before the secret."""

_LONGEST: Final = 2000
#: Browsers read a backslash as a slash, and skip tabs and line ends: none of them is allowed.
_LOCAL: Final = re.compile(r"/(?![/\\])[!-\[\]-~]*")


def to_local_path(text: str | None) -> str:
    """Return `text` if it is a path of this gateway, otherwise the path of the inbox.

    Safe for any text: the result begins with one slash, so no browser leaves the site.
    """
    if text is None or len(text) > _LONGEST or not _LOCAL.fullmatch(text):
        return INBOX
    is_loop = text.startswith(SIGN_IN) and text != SIGNED_IN
    return INBOX if is_loop else text


def sign_in_path(request: Request) -> str:
    """Return the path of the sign-in page that leads back to the page of `request`."""
    asked = quote(request.url.path) + (f"?{request.url.query}" if request.url.query else "")
    return f"{SIGN_IN}?{urlencode({'next': asked})}"


LOGIN_LIFETIME: Final = timedelta(minutes=10)
"""How long a person may take at the identity provider."""

_PURPOSE: Final = "sign-in"


@dataclass(frozen=True, slots=True)
class Login:
    """A sign-in that has begun.

    What the provider sees is derived from the secret, which only the browser's cookie contains.

    Attributes:
        secret: Random text.
        next_path: The page to show afterwards.
        expires_at: Until when it can be finished.
    """

    secret: str = field(repr=False)
    next_path: str
    expires_at: datetime

    @property
    def state(self) -> str:
        """Binds the provider's reply to this browser."""
        return self._derive("state")

    @property
    def nonce(self) -> str:
        """Binds the provider's token to this sign-in."""
        return self._derive("nonce")

    @property
    def code_verifier(self) -> str:
        """Proves to the provider that the same gateway began the sign-in (PKCE)."""
        return self._derive("code verifier")

    def _derive(self, purpose: str) -> str:
        digest = sha256(f"{purpose}:{self.secret}".encode()).digest()
        return urlsafe_b64encode(digest).decode().rstrip("=")

    def to_cookie(self, keyring: Keyring) -> str:
        """Return the sign-in as the signed value of a cookie."""
        path = urlsafe_b64encode(self.next_path.encode()).decode().rstrip("=")
        text = f"{int(self.expires_at.timestamp())}.{path}.{self.secret}"
        return f"{text}.{keyring.seal(_PURPOSE, text)}"


def find_login(cookie: str, keyring: Keyring, *, now: datetime) -> Login | None:
    """Return the sign-in of a cookie; `None` if it is edited or has expired. Never raises."""
    text, _, seal = cookie.rpartition(".")
    if not keyring.is_sealed(_PURPOSE, text, seal):
        return None
    expires, path, secret = text.split(".")
    expires_at = datetime.fromtimestamp(int(expires), now.tzinfo)
    if expires_at <= now:
        return None
    next_path = urlsafe_b64decode(path + "=" * (-len(path) % 4)).decode()
    return Login(secret, to_local_path(next_path), expires_at)
