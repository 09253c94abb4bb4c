"""The groups of settings that `ringback.settings` is made of."""

import os
import re
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from ringback.domain.errors import ConfigurationError
from ringback.domain.person import parse_admins
from ringback.schemas.values import Duration
from ringback.secret_files import read_lines


class LimitSettings(BaseSettings):
    """The settings of what clients may do. Each process counts by itself.

    Attributes:
        body_limit: The maximum size of a request body in bytes. Temporal accepts 2 MiB including
            its envelope; it replies OK to a larger result and fails the activity.
        keep_alive: How many seconds an idle connection stays open. Keep it longer than the idle
            timeout of the proxy or load balancer in front (often 60 seconds): a proxy that sends a
            request on a connection which the gateway just closed replies 502.
        link_rate: How many requests per second one link may make, separately for answers,
            heartbeats and reading; ten times as many may come at once. Beyond it they get 429 with
            `Retry-After`. 0 is no limit.
        key_rate: The same for the requests with one API key. 0, the default, is no limit: all
            workers may share a key.
        most_connections: How many connections a gateway has at most. Beyond it, it closes the
            connection that has been idle for the longest time; if none is idle, the new one gets
            503.
        most_connections_per_address: How many of them come from one address at most. A proxy has
            one address, so make it larger than what the proxy opens. 0 is no limit.
    """

    body_limit: int = Field(default=2 * 1024 * 1024 - 1024, gt=0)
    keep_alive: int = Field(default=75, gt=0, le=86_400)
    link_rate: int = Field(default=20, ge=0)
    key_rate: int = Field(default=0, ge=0)
    most_connections: int = Field(default=8192, gt=0)
    most_connections_per_address: int = Field(default=4096, ge=0)


class MetricsSettings(BaseSettings):
    """The settings of the metrics.

    Attributes:
        metrics_port: A port of its own for `/metrics`, on the address of `--host`. Without it, the
            gateway serves `/metrics` with its other routes, and `ringback consume` serves none.
    """

    metrics_port: int | None = Field(default=None, ge=1, le=65_535)

    @field_validator("metrics_port", mode="before")
    @classmethod
    def _not_of_a_service(cls, value: object) -> object:
        # Kubernetes sets the variable to this for a service that is named `ringback-metrics`.
        return None if isinstance(value, str) and value.startswith("tcp://") else value


FOREVER: Final = "forever"


def _or_forever(given: object) -> object:
    return None if isinstance(given, str) and given.strip().lower() == FOREVER else given


KeptFor = Annotated[Duration | None, BeforeValidator(_or_forever)]
"""How long something is kept; `None` is forever."""


class RetentionSettings(BaseSettings):
    """The settings of what is kept, and for how long.

    Attributes:
        keep_ended_for: How long a callback is kept after its end, with its answer and its history,
            as `90d`, or `forever`. Events of sources are kept as long. Then they are deleted.
            Callbacks that are open, accepted or parked are never deleted.
        drop_bodies_after: How long after the end of a callback its bodies are kept, as `1d`: those
            of its answer, losing answers, votes, heartbeats and events. By default as long as the
            callback. Without its body, an event cannot be replayed.
        encrypt_bodies: Whether this gateway encrypts bodies before it stores them, by the payload
            codec of `data_converter`: those of answers, votes and heartbeats. Stored ones are
            decrypted in any case.
    """

    keep_ended_for: KeptFor = timedelta(days=90)
    drop_bodies_after: Duration | None = None
    encrypt_bodies: bool = False


FILE_VARIABLES: Final = {
    "RINGBACK_STORE_FILE": "store",
    "RINGBACK_WEBHOOK_SECRETS_FILE": "webhook_secrets",
    "RINGBACK_MAIL_URL_FILE": "mail_url",
    "RINGBACK_SLACK_TOKEN_FILE": "slack_token",
    "RINGBACK_SLACK_SIGNING_SECRETS_FILE": "slack_signing_secrets",
}
"""The variables that name a file, with the setting that it holds.

The files of link keys, API keys and the client secret are settings of their own.
"""

_LISTS: Final = frozenset({"webhook_secrets", "slack_signing_secrets"})
"""Settings with several secrets: in a file, each has a line."""


class SecretFileSettings(PydanticBaseSettingsSource):
    """Reads each setting from the file that its variable names.

    The variable of the setting itself, such as `RINGBACK_STORE`, overrides the file.
    """

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - the base class's signature
        """Return nothing: the files are read together."""
        return None, field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return the settings that have a file.

        Raises:
            ConfigurationError: A file cannot be read, or has no secret or too many.
        """
        return {
            setting: _read(variable, setting, Path(os.environ[variable]))
            for variable, setting in FILE_VARIABLES.items()
            if os.environ.get(variable)
        }


def _read(variable: str, setting: str, path: Path) -> str:
    lines = [line.strip() for line in read_lines(path) if line.strip()]
    if not lines or (len(lines) > 1 and setting not in _LISTS):
        msg = f"{variable}: {path} must contain one line, the secret; it has {len(lines)}"
        raise ConfigurationError(msg)
    return ",".join(lines)


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
