"""An identity provider over real HTTP whose replies a test alters."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ringback.app.system import SystemClock
from ringback.app.web import bound_socket, served, url_of
from tests.integration.sign_in.organization import CLIENT_ID, CLIENT_SECRET, query_of

LIFETIME_SECONDS = 300


@cache
def key_of(owner: str, key_id: str) -> RSAKey:
    """Return a key that signs tokens; each takes 0.2 s to make."""
    assert owner, "keys of two owners differ, even with the same id"
    return RSAKey.generate_key(2048, {"kid": key_id})


@dataclass
class AlteredProvider:
    """A provider that does everything right until a test changes one of its attributes.

    Attributes:
        claims: Replace claims of the ID token; `None` leaves one out.
        metadata: Replace members of the configuration.
        replies: Replace whole replies, by path.
        hangs_at: The path at which it never replies.
        key: Signs tokens.
        published: The keys that it publishes.
        forge: Makes the ID token from the claims, instead of signing them.
    """

    issuer: str
    key: RSAKey = field(default_factory=lambda: key_of("provider", "k1"))
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    replies: dict[str, Response] = field(default_factory=dict)
    hangs_at: str | None = None
    published: list[RSAKey] = field(default_factory=list)
    forge: Any = None
    asked: list[str] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)
    nonce: str = ""

    def come_back(self, url: str) -> str:
        """Return where this provider sends a browser that signed in at `url`."""
        query = query_of(url)
        self.nonce = query["nonce"]
        return f"{query['redirect_uri']}?code=c&state={query['state']}"

    async def reply(self, request: Request) -> Response:
        """Reply to the gateway."""
        path = request.url.path
        self.asked.append(path)
        if path == self.hangs_at:
            await asyncio.Event().wait()
        if path in self.replies:
            return self.replies[path]
        if path == "/token":
            form = await request.body()
            self.sent = query_of(f"x?{form.decode()}")
            self.sent["authorization"] = request.headers.get("authorization", "")
        return JSONResponse(self._content(path))

    def _content(self, path: str) -> dict[str, Any]:
        match path:
            case "/.well-known/openid-configuration":
                endpoints = {
                    "issuer": self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/keys",
                    "userinfo_endpoint": f"{self.issuer}/userinfo",
                }
                return {**endpoints, **self.metadata}
            case "/keys":
                return dict(KeySet([*(self.published or [self.key])]).as_dict(private=False))
            case "/userinfo":
                return {"sub": "1", **self.userinfo}
            case _:
                return {"access_token": "a", "token_type": "Bearer", "id_token": self._id_token()}

    def _id_token(self) -> str:
        now = int(SystemClock().now().timestamp())
        claims = {
            "iss": self.issuer,
            "sub": "1",
            "aud": CLIENT_ID,
            "iat": now,
            "exp": now + LIFETIME_SECONDS,
            "nonce": self.nonce,
            "email": "ada@example.org",
            **self.claims,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        if self.forge is not None:
            return str(self.forge(claims))
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


def unsigned(claims: dict[str, Any]) -> str:
    """Return a token that claims to need no signature."""
    head, body = ({"alg": "none"}, claims)
    parts = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode() for part in (head, body))
    return ".".join(part.rstrip("=") for part in parts) + "."


def signed_with_client_secret(claims: dict[str, Any]) -> str:
    """Return a token that whoever knows the client secret can make."""
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(CLIENT_SECRET))


@asynccontextmanager
async def running_altered_provider() -> AsyncIterator[AlteredProvider]:
    """Serve a provider for the block."""
    with bound_socket("127.0.0.1", 0) as listening:
        provider = AlteredProvider(url_of(listening))
        routes = [Route("/{path:path}", provider.reply, methods=["GET", "POST"])]
        async with served(Starlette(routes=routes), listening):
            yield provider
