"""Builds the ways to sign in from the settings."""

import logging
import secrets
from ipaddress import ip_network
from urllib.parse import urlsplit

from ringback.core.sessions import SessionRules, SessionService
from ringback.domain.errors import ConfigurationError
from ringback.domain.person import parse_admins
from ringback.gateway.identity.login import OIDC_CALLBACK
from ringback.gateway.identity.proxy import ProxyHeaders
from ringback.gateway.identity.ways import Cookies, IdentityProvider, SignInWays
from ringback.ports.clock import Clock
from ringback.secret_files import read_lines
from ringback.setting_groups import split_commas
from ringback.settings import Settings
from ringback.store.sql_store import SqlStore

logger = logging.getLogger(__name__)


def session_rules(settings: Settings) -> SessionRules:
    """Return the rules of sessions."""
    admins = parse_admins(settings.admins or "")
    return SessionRules(settings.session_lifetime, settings.session_idle, admins)


def build_session_service(store: SqlStore, rules: SessionRules, clock: Clock) -> SessionService:
    """Return the service that signs people in and out."""
    return SessionService(store, store, rules, clock=clock, random_bytes=secrets.token_bytes)


def build_sign_in_ways(settings: Settings, clock: Clock) -> SignInWays:
    """Return the ways to sign in that the settings allow.

    Raises:
        ConfigurationError: One of them is configured only in part, or not installed.
    """
    ways = SignInWays(
        cookies=Cookies(settings.base_url),
        proxy=_build_proxy(settings),
        provider=_build_provider(settings, clock),
    )
    _warn_of_plain_http(settings, ways)
    return ways


def _build_proxy(settings: Settings) -> ProxyHeaders | None:
    networks = [ip_network(part) for part in split_commas(settings.trusted_proxies)]
    user = settings.proxy_user_header
    if user is None:
        if networks or settings.proxy_groups_header or settings.proxy_name_header:
            msg = (
                "RINGBACK_TRUSTED_PROXIES and the other headers need RINGBACK_PROXY_USER_HEADER:"
                " set the header in which the proxy names the user"
            )
            raise ConfigurationError(msg)
        return None
    if not networks:
        msg = (
            "RINGBACK_PROXY_USER_HEADER needs RINGBACK_TRUSTED_PROXIES: set the addresses of the"
            " proxies whose headers count"
        )
        raise ConfigurationError(msg)
    return ProxyHeaders(
        networks=networks,
        user=user,
        groups=settings.proxy_groups_header,
        name=settings.proxy_name_header,
    )


def _build_provider(settings: Settings, clock: Clock) -> IdentityProvider | None:
    secret = _load_client_secret(settings)
    given = {
        "RINGBACK_OIDC_ISSUER": settings.oidc_issuer,
        "RINGBACK_OIDC_CLIENT_ID": settings.oidc_client_id,
        "RINGBACK_OIDC_CLIENT_SECRET": secret,
    }
    missing = [name for name, value in given.items() if not value]
    if len(missing) == len(given):
        return None
    if missing:
        msg = f"sign-in with OpenID Connect also needs {' and '.join(missing)}"
        raise ConfigurationError(msg)
    try:
        # Authlib is an extra, and loading it takes time.
        from ringback.gateway.identity.claims import ClaimRules  # noqa: PLC0415 - see above
        from ringback.gateway.identity.oidc import (  # noqa: PLC0415 - see above
            OidcConfig,
            OidcProvider,
        )
    except ModuleNotFoundError as exc:
        msg = f"RINGBACK_OIDC_ISSUER needs {exc.name}; run: pip install 'ringback[oidc]'"
        raise ConfigurationError(msg) from exc
    config = OidcConfig(
        issuer=settings.oidc_issuer or "",
        client_id=settings.oidc_client_id or "",
        client_secret=secret or "",
        scopes=settings.oidc_scopes,
        redirect_uri=f"{settings.base_url}{OIDC_CALLBACK}",
        rules=ClaimRules(
            user_claim=settings.oidc_user_claim,
            groups_claim=settings.oidc_groups_claim,
            allowed_domains=frozenset(
                domain.casefold().lstrip("@")
                for domain in split_commas(settings.oidc_allowed_domains)
            ),
        ),
    )
    return OidcProvider(config, clock=clock)


def _load_client_secret(settings: Settings) -> str | None:
    given, path = settings.oidc_client_secret, settings.oidc_client_secret_file
    if given is not None and path is not None:
        msg = "set RINGBACK_OIDC_CLIENT_SECRET or RINGBACK_OIDC_CLIENT_SECRET_FILE, not both"
        raise ConfigurationError(msg)
    if given is not None:
        return given.get_secret_value()
    if path is None:
        return None
    lines = [line.strip() for line in read_lines(path) if line.strip()]
    if len(lines) != 1:
        msg = f"RINGBACK_OIDC_CLIENT_SECRET_FILE: {path} must contain one line, the secret"
        raise ConfigurationError(msg)
    return lines[0]


def _warn_of_plain_http(settings: Settings, ways: SignInWays) -> None:
    url = urlsplit(settings.base_url)
    is_local = url.hostname in {"127.0.0.1", "localhost", "::1"}
    if url.scheme == "http" and not is_local and (ways.proxy or ways.provider):
        logger.warning(
            "people sign in over plain http: everybody on the way to %s can read their sessions;"
            " set RINGBACK_PUBLIC_URL to an https URL",
            settings.base_url,
        )
