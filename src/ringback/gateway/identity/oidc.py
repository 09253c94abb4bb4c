"""OpenID Connect: the authorization code flow with PKCE, on Authlib.

Imported only where a provider is configured: Authlib is the extra `oidc`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from hmac import compare_digest
from ssl import SSLContext
from typing import Any, Final, NoReturn

import httpx2
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]  # - Authlib has no types
from authlib.integrations.httpx_client import (  # type: ignore[import-untyped]  # - Authlib has no types
    AsyncOAuth2Client,
)

from ringback.domain.people_errors import IdentityProviderUnavailableError, SignInRefusedError
from ringback.domain.person import Person
from ringback.gateway.identity.claims import ClaimRules, IdTokenChecker, to_person
from ringback.gateway.identity.login import Login
from ringback.ports.clock import Clock

logger = logging.getLogger(__name__)

PATIENCE: Final = timedelta(seconds=10)
"""How long a person waits for the provider: all requests of one step together."""

_CACHED_FOR: Final = timedelta(hours=1)
_BASIC: Final = "client_secret_basic"
_IN_FORM: Final = "client_secret_post"
_ENDPOINTS: Final = ("authorization_endpoint", "token_endpoint", "jwks_uri")


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcConfig:
    """An identity provider, and how this gateway is registered there.

    Attributes:
        issuer: The issuer, exactly as the provider names itself.
        client_id: The id of this gateway at the provider.
        client_secret: Its secret there.
        scopes: The scopes to ask for, separated by spaces; `openid` must be one.
        redirect_uri: The URL to which the provider sends the browser back.
        rules: What to read from the provider's claims, and who may sign in.
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    scopes: str
    redirect_uri: str
    rules: ClaimRules


class OidcProvider:
    """`IdentityProvider` for any provider that speaks OpenID Connect."""

    def __init__(self, config: OidcConfig, *, clock: Clock, patience: timedelta = PATIENCE) -> None:
        """Sign people in at the provider of `config`; wait at most `patience` for it."""
        self.config = config
        self._clock = clock
        self._patience = patience
        self._metadata: tuple[Mapping[str, Any], timedelta] | None = None
        self._tokens = IdTokenChecker(issuer=config.issuer, client_id=config.client_id, clock=clock)

    async def sign_in_url(self, login: Login) -> str:
        """Return the URL of the provider at which a person signs in.

        Raises:
            IdentityProviderUnavailableError: The provider did not reply in time.
        """
        async with self._connected() as client:
            metadata = await self._load_metadata(client)
            url, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=login.state,
                nonce=login.nonce,
                code_verifier=login.code_verifier,
            )
        return str(url)

    async def find_person(self, login: Login, *, code: str, issuer: str | None) -> Person:
        """Return the person that the provider names in exchange for `code`.

        Raises:
            SignInRefusedError: The provider refuses the code, its token is invalid, or this person
                may not sign in.
            IdentityProviderUnavailableError: The provider did not reply in time.
        """
        if issuer is not None and issuer != self.config.issuer:
            msg = "the reply came from another identity provider; sign in again"
            raise SignInRefusedError(msg)
        async with self._connected() as client:
            metadata = await self._load_metadata(client)
            tokens = await self._fetch_tokens(client, metadata, login, code=code)
            claims = await self._check_tokens(client, metadata, login, tokens=tokens)
            if self.config.rules.needs_more(claims):
                claims = await self._add_userinfo(client, metadata, claims, tokens=tokens)
        return to_person(claims, self.config.rules)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncOAuth2Client]:
        """Yield a client, and translate what the network does."""
        try:
            async with (
                asyncio.timeout(self._patience.total_seconds()),
                AsyncOAuth2Client(
                    client_id=self.config.client_id,
                    client_secret=self.config.client_secret,
                    scope=self.config.scopes,
                    redirect_uri=self.config.redirect_uri,
                    code_challenge_method="S256",
                    verify=self._trust,
                    timeout=self._patience.total_seconds(),
                ) as client,
            ):
                yield client
        except (TimeoutError, httpx2.TimeoutException):
            _give_up("it did not reply in time")
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            _give_up(str(exc) or type(exc).__name__)

    @cached_property
    def _trust(self) -> SSLContext | bool:
        # Loading the certificates takes 50 ms, and a plain http URL on loopback needs none.
        return httpx2.create_ssl_context() if self.config.issuer.startswith("https:") else False

    async def _load_metadata(self, client: AsyncOAuth2Client) -> Mapping[str, Any]:
        if self._metadata is not None and self._clock.monotonic() < self._metadata[1]:
            return self._metadata[0]
        url = f"{self.config.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = await _get_json(client, url)
        if found.get("issuer") != self.config.issuer:
            why = f"it names itself {found.get('issuer')!r}, not {self.config.issuer!r}"
            _give_up(why)
        for name in _ENDPOINTS:
            if not isinstance(found.get(name), str):
                _give_up(f"its configuration has no {name}")
        self._metadata = found, self._clock.monotonic() + _CACHED_FOR
        return found

    async def _fetch_tokens(
        self, client: AsyncOAuth2Client, metadata: Mapping[str, Any], login: Login, *, code: str
    ) -> Mapping[str, Any]:
        methods = metadata.get("token_endpoint_auth_methods_supported") or [_BASIC]
        if _BASIC not in methods:
            client.token_endpoint_auth_method = _IN_FORM
        try:
            tokens = await client.fetch_token(
                metadata["token_endpoint"],
                grant_type="authorization_code",
                code=code,
                code_verifier=login.code_verifier,
            )
        except AuthlibBaseError as exc:
            # The code was used before, has expired, or belongs to another sign-in.
            logger.warning("identity provider refused a code: %s", exc.error)
            msg = f"the identity provider refused this sign-in ({exc.error}); sign in again"
            raise SignInRefusedError(msg) from exc
        except ValueError:
            _give_up("its reply is not JSON")
        if not isinstance(tokens.get("id_token"), str):
            _give_up("its reply has no id_token; is `openid` one of the scopes?")
        return dict(tokens)

    async def _check_tokens(
        self,
        client: AsyncOAuth2Client,
        metadata: Mapping[str, Any],
        login: Login,
        *,
        tokens: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        if not self._tokens.has_key_of(tokens["id_token"]):
            self._tokens.set_keys(await _get_json(client, metadata["jwks_uri"]))
        return self._tokens.check(
            tokens["id_token"],
            nonce=login.nonce,
            access_token=tokens.get("access_token"),
        )

    async def _add_userinfo(
        self,
        client: AsyncOAuth2Client,
        metadata: Mapping[str, Any],
        claims: Mapping[str, Any],
        *,
        tokens: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        endpoint, token = metadata.get("userinfo_endpoint"), tokens.get("access_token")
        if not isinstance(endpoint, str) or not isinstance(token, str):
            return claims
        more = await _get_json(client, endpoint, token=token)
        if not compare_digest(str(more.get("sub")).encode(), str(claims["sub"]).encode()):
            msg = "the identity provider described another person; sign in again"
            raise SignInRefusedError(msg)
        return {**more, **claims}


async def _get_json(
    client: AsyncOAuth2Client, url: str, *, token: str | None = None
) -> Mapping[str, Any]:
    headers = {"accept": "application/json"}
    if token is not None:
        headers["authorization"] = f"Bearer {token}"
    reply = await client.request("GET", url, withhold_token=True, headers=headers)
    if not reply.is_success:
        _give_up(f"it replied {reply.status_code}")
    try:
        found = reply.json()
    except ValueError:
        _give_up("its reply is not JSON")
    if not isinstance(found, dict):
        _give_up("its reply is not a JSON object")
    return found


def _give_up(why: str) -> NoReturn:
    msg = f"the identity provider cannot be used now: {why}"
    logger.warning("identity provider cannot be used: %s", why)
    raise IdentityProviderUnavailableError(msg)
