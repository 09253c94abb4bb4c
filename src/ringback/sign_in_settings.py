"""Settings of how people sign in: part of `ringback.settings`."""

import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from ringback.domain.person import parse_admins
from ringback.schemas.values import Duration

_HEADER: Final = r"^[A-Za-z0-9!#$%&'*+.^`|~-]+$"
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_SCOPE: Final = re.compile(r"[!#-\[\]-~]+")

HeaderName = Annotated[str, Field(pattern=_HEADER, max_length=100)]
ClaimName = Annotated[str, Field(min_length=1, max_length=200)]


class SignInSettings(BaseSettings):
    """The settings of how people sign in.

    Attributes:
        session_lifetime: How long a session of a person lasts, however often it is used, as `12h`
            or `7d`. Groups are read when a person signs in, so a shorter time notices sooner that
            somebody left a group.
        session_idle: How long a session lasts that is not used.
        admins: Who sees and manages the callbacks of everybody, as
            `user:ada@example.org,group:ops`.
        oidc_issuer: The identity provider, exactly as it names itself in its
            `/.well-known/openid-configuration`. Needs `pip install 'ringback[oidc]'`.
        oidc_client_id: The id of this gateway at the identity provider. Register
            `<public URL>/sign-in/oidc` as its redirect URI.
        oidc_client_secret: The secret of this gateway at the identity provider.
        oidc_client_secret_file: A file with that secret.
        oidc_scopes: The scopes to ask for, separated by spaces.
        oidc_user_claim: The claim that names the user. An `email` counts unless the provider says
            that it is not verified.
        oidc_groups_claim: The claim with the groups of the user.
        oidc_allowed_domains: The domains of e-mail addresses that may sign in, separated by commas;
            without it, everybody whom the provider signs in.
        proxy_user_header: The header in which a trusted proxy names the user, such as
            `X-Auth-Request-Email`. The proxy must replace it in every request.
        proxy_groups_header: The header in which it names the groups, separated by commas.
        proxy_name_header: The header with the name to show.
        trusted_proxies: The addresses of those proxies, as addresses or networks, separated by
            commas. The headers are ignored in requests from any other address.
    """

    session_lifetime: Duration = timedelta(hours=12)
    session_idle: Duration = timedelta(hours=4)
    admins: str | None = None
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_client_secret_file: Path | None = None
    oidc_scopes: str = "openid email profile"
    oidc_user_claim: ClaimName = "email"
    oidc_groups_claim: ClaimName = "groups"
    oidc_allowed_domains: str | None = None
    proxy_user_header: HeaderName | None = None
    proxy_groups_header: HeaderName | None = None
    proxy_name_header: HeaderName | None = None
    trusted_proxies: str | None = None

    @field_validator("admins")
    @classmethod
    def _known_admins(cls, value: str | None) -> str | None:
        parse_admins(value or "")
        return value

    @field_validator("oidc_issuer")
    @classmethod
    def _usable_issuer(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK
        is_plain = not (parts.username or parts.query or parts.fragment)
        if not parts.hostname or not is_plain or not (parts.scheme == "https" or is_local):
            msg = "must be an https URL without a query; http only for this machine"
            raise ValueError(msg)
        return value

    @field_validator("oidc_scopes")
    @classmethod
    def _has_openid(cls, value: str) -> str:
        scopes = value.split()
        if "openid" not in scopes or not all(map(_SCOPE.fullmatch, scopes)):
            msg = "must be scopes separated by spaces, and `openid` must be one of them"
            raise ValueError(msg)
        return " ".join(scopes)

    @field_validator("trusted_proxies")
    @classmethod
    def _known_networks(cls, value: str | None) -> str | None:
        for part in split_commas(value):
            try:
                ip_network(part)
            except ValueError as exc:
                msg = f"{part!r} is not an address or a network such as 10.0.0.0/8 ({exc})"
                raise ValueError(msg) from exc
        return value


def split_commas(text: str | None) -> list[str]:
    """Return the parts of a setting that are separated by commas."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]
