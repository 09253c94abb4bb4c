"""Settings: from `RINGBACK_*` in the environment, then from `ringback.toml`, then the defaults.

The connection to Temporal has its own settings: `TEMPORAL_*` or `temporal.toml`.
"""

import logging
import os
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from tomllib import TOMLDecodeError
from typing import Annotated, Any, Final

from platformdirs import user_state_path
from pydantic import AfterValidator, Field, HttpUrl, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from ringback.domain.errors import ConfigurationError
from ringback.setting_groups import (
    FILE_VARIABLES,
    LimitSettings,
    MetricsSettings,
    RetentionSettings,
    SecretFileSettings,
    SignInSettings,
)

logger = logging.getLogger(__name__)

_OTHER_VARIABLES: Final = frozenset({
    "RINGBACK_URL",
    "RINGBACK_API_KEY",
    "RINGBACK_API_KEY_FILE",
    "RINGBACK_LOG",
    "RINGBACK_LOG_LEVEL",
})
"""Variables that other modules read."""

DEFAULT_PORT: Final = 8000

_WILDCARDS: Final = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - addresses that are rejected

_POSTGRESQL: Final = frozenset({"postgresql", "postgresql+asyncpg"})

_HOST: Final = r"(?:\[[0-9A-Fa-f:.]+\]|[^\s/?#@:\[\],]*)(?::\d+)?"
_KNOWN_STORE: Final = re.compile(
    r"sqlite:///.*[^/]"
    rf"|postgresql(?:\+asyncpg)?://(?:[^\s/?#@]*@)?{_HOST}(?:,{_HOST})*(?:/[^\s?#]*)?(?:\?[^\s#]*)?"
)


def _absolute(path: Path) -> Path:
    """Expand `~` and make `path` absolute, relative to the folder that the program starts in.

    Raises:
        ValueError: `~` cannot be expanded: the user has no home folder.
    """
    try:
        return path.expanduser().absolute()
    except RuntimeError as exc:
        # Neither HOME nor the system's list of users has a home folder.
        msg = f"{path} cannot be expanded: this user has no home folder; set an absolute path"
        raise ValueError(msg) from exc


_SQLITE: Final = "sqlite:///"
_AbsolutePath = Annotated[Path, AfterValidator(_absolute)]


CONFIG_FILE: Final = Path("ringback.toml")
"""The file of settings, in the working directory."""

_OTHER_TABLES: Final = frozenset({"queues", "sources"})
"""Tables of `ringback.toml` that other modules read."""


class _TomlSettings(TomlConfigSettingsSource):
    def __call__(self) -> dict[str, Any]:
        return {
            name: value for name, value in super().__call__().items() if name not in _OTHER_TABLES
        }


class Settings(LimitSettings, MetricsSettings, RetentionSettings, SignInSettings):
    """The settings of a gateway and its clients.

    Attributes:
        data: The folder for the database and the link key on this machine.
        store: The database: `sqlite:///<path>`, or `postgresql://<user>:<password>@<host>/<name>`
            for several machines; without it, `ringback.db` in `data`. The path of a file is used
            literally: `%20` or `?` is part of the name.
        public_url: The URL at which senders reach the gateway; it may have a path. Links,
            `status_url` and OpenAPI's `servers` begin with it. Set it whenever senders are not on
            this machine. Without it, a gateway uses the address that it listens on.
        keys: The link keys, as `<id>:<64 hex digits>`, separated by commas. The first key signs
            links, all keys verify them.
        keys_file: A file with the link keys, one per line.
        webhook_secrets: The secrets that sign webhooks to a `cancel_url` or `notify_url`, as
            `whsec_<base64>`, separated by commas; every webhook is signed with all of them.
        allow_private_webhooks: Whether webhooks may go to private addresses, as of this machine.
        people_file: A TOML file with the groups, other addresses and Slack accounts of people, and
            with channels of Apprise.
        sources_file: A TOML file with the sources of events, `[sources.NAME]` and `[queues.NAME]`.
            Without it, they are read from `ringback.toml`.
        mail_url: The mail server: `smtp://<user>:<password>@<host>:<port>` (STARTTLS is required),
            `smtps://…` (TLS from the start) or `smtp+insecure://…` (no TLS).
        mail_from: The sender of mail, such as `Ringback <ringback@example.org>`.
        slack_token: The bot token of a Slack app, `xoxb-…`.
        slack_signing_secrets: The app's signing secret; several, separated by commas, while one is
            replaced.
        slack_api: The URL of Slack's Web API, for tests.
        polls_per_second: Maximum workflow runs that this gateway polls per second for
            cancellations, pauses, timeouts and ends, which Temporal does not push. Polling a run is
            one request. Not counted are follow-up requests about ended activities, checks before
            default answers, requests that opening a link causes, and heartbeats. The more runs have
            open callbacks, the less often each is polled.
        data_converter: The data converter of workers and gateway, as `<module>:<attribute>`: a
            `temporalio.converter.DataConverter`, or a function without arguments that returns one.
        url: For workers and the command line: the URL of their gateway.
        api_key: For workers and the command line: their API key.
        api_key_file: A file that holds the API key.
    """

    model_config = SettingsConfigDict(
        env_prefix="RINGBACK_",
        toml_file=CONFIG_FILE,
        extra="forbid",
        frozen=True,
        # An error must not reveal a key or a password.
        hide_input_in_errors=True,
    )

    data: _AbsolutePath = Field(
        default_factory=lambda: user_state_path("ringback"), validate_default=True
    )
    store: SecretStr | None = None
    public_url: HttpUrl = HttpUrl(f"http://127.0.0.1:{DEFAULT_PORT}")
    keys: SecretStr | None = None
    keys_file: _AbsolutePath | None = None
    webhook_secrets: SecretStr | None = None
    allow_private_webhooks: bool = False
    people_file: _AbsolutePath | None = None
    sources_file: _AbsolutePath | None = None
    mail_url: SecretStr | None = None
    mail_from: str | None = None
    slack_token: SecretStr | None = None
    slack_signing_secrets: SecretStr | None = None
    slack_api: HttpUrl = HttpUrl("https://slack.com/api")
    polls_per_second: int = Field(default=50, gt=0)
    data_converter: str | None = None
    url: str | None = Field(default=None, repr=False)
    api_key: SecretStr | None = None
    api_key_file: Path | None = None

    @field_validator("store")
    @classmethod
    def _known_store(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _KNOWN_STORE.fullmatch(value.get_secret_value()):
            msg = (
                "use sqlite:///<path of a file> or postgresql://<user>:<password>@<host>/<name>;"
                " in the user name and password, write characters other than letters and digits as"
                " %XX"
            )
            raise ValueError(msg)
        return value

    @field_validator("store")
    @classmethod
    def _absolute_store(cls, value: SecretStr | None) -> SecretStr | None:
        text = "" if value is None else value.get_secret_value()
        if not text.startswith(_SQLITE):
            return value
        return SecretStr(f"{_SQLITE}{_absolute(Path(text.removeprefix(_SQLITE)))}")

    @field_validator("public_url")
    @classmethod
    def _usable_url(cls, value: HttpUrl) -> HttpUrl:
        if value.username is not None or value.password is not None:
            msg = "must not contain a user name or password: every sender would see it"
            raise ValueError(msg)
        if "?" in str(value) or "#" in str(value):
            msg = "must not contain a query or a fragment: links append a path to it"
            raise ValueError(msg)
        if (value.host or "") in _WILDCARDS or not value.port:
            msg = "must be an address that senders can connect to, not a wildcard or port 0"
            raise ValueError(msg)
        return value

    @property
    def postgresql_url(self) -> SecretStr | None:
        """The URL of the PostgreSQL database, if there is one; it contains the password."""
        url = "" if self.store is None else self.store.get_secret_value()
        scheme, _, rest = url.partition("://")
        return SecretStr(f"postgresql://{rest}") if scheme in _POSTGRESQL else None

    @property
    def database_path(self) -> Path:
        """The path of the SQLite database."""
        assert self.postgresql_url is None, "check postgresql_url first"
        if self.store is None:
            return self.data / "ringback.db"
        return Path(self.store.get_secret_value().removeprefix(_SQLITE))

    @property
    def store_name(self) -> str:
        """The store for logs and messages: the path of a file, or a URL without its password."""
        url = self.postgresql_url
        if url is None:
            return str(self.database_path)
        scheme, _, rest = url.get_secret_value().partition("?")[0].partition("://")
        login, at, place = rest.rpartition("@")
        return f"{scheme}://{login.partition(':')[0]}{at}{place}"

    @property
    def base_url(self) -> str:
        """`public_url` without a trailing slash."""
        return str(self.public_url).rstrip("/")

    @property
    def has_public_url(self) -> bool:
        """Whether `public_url` was set."""
        return "public_url" in self.model_fields_set

    def served_at(self, url: str) -> "Settings":
        """Return the settings of a gateway that listens at `url`, the default public URL."""
        if self.has_public_url:
            return self
        return self.model_copy(update={"public_url": HttpUrl(url)})

    @classmethod
    def settings_customise_sources(  # noqa: PLR0917 - pydantic-settings' own signature
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no such file is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no such file is read
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the sources of settings; earlier ones win."""
        files = SecretFileSettings(settings_cls)
        return init_settings, env_settings, files, _TomlSettings(settings_cls)


def load_settings() -> Settings:
    """Return the settings of this process.

    Raises:
        ConfigurationError: A setting is invalid, or the file of a secret cannot be read; the
            message names it.
    """
    _warn_of_misspelled(os.environ)
    try:
        return Settings()
    except TOMLDecodeError as exc:
        msg = f"ringback.toml cannot be read: {exc}"
        raise ConfigurationError(msg) from exc
    except UnicodeError:
        # Without the cause, which contains the file's bytes.
        msg = "ringback.toml is not UTF-8 text; save it as UTF-8"
        raise ConfigurationError(msg) from None
    except OSError as exc:
        msg = f"ringback.toml cannot be read: {exc.strerror}"
        raise ConfigurationError(msg) from exc
    except ValidationError as exc:
        errors = exc.errors(include_input=False, include_url=False)
        problems = "; ".join(_problem(error) for error in errors)
        raise ConfigurationError(problems) from exc


def _warn_of_misspelled(names: Iterable[str]) -> None:
    """Warn of variables whose names resemble a setting.

    Others may belong to other software: Kubernetes sets `RINGBACK_PORT` for a service of that name.
    """
    fields = {f"RINGBACK_{name.upper()}" for name in Settings.model_fields}
    known = fields | _OTHER_VARIABLES | FILE_VARIABLES.keys()
    for name in names:
        if name.startswith("RINGBACK_") and name not in known:
            for close in get_close_matches(name, known, n=1, cutoff=0.9):
                logger.warning("unknown setting: %s has no effect; did you mean %s?", name, close)


def _problem(error: ErrorDetails) -> str:
    name = "_".join(str(part) for part in error["loc"])
    if error["type"] != "extra_forbidden":
        return f"RINGBACK_{name.upper()}: {error['msg']}"
    close = get_close_matches(name, Settings.model_fields, n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    return f"ringback.toml: {name!r} is not a setting{guess}"
