"""Which gateway a client uses, and with which API key.

Settings come from `RINGBACK_*` in the environment, then from `ringback.toml`. They are read with
the standard library: a worker needs no settings library.
"""

import os
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from platformdirs import user_state_path

from ringback.domain.api_key import Role, from_text
from ringback.domain.errors import ConfigurationError

TOML: Final = Path("ringback.toml")


def client_setting(
    name: str, *, env: Mapping[str, str] = os.environ, toml: Path = TOML
) -> str | None:
    """Return the setting `name`, such as "url"; `None` if it is missing or empty.

    Raises:
        ConfigurationError: `ringback.toml` cannot be read, or the setting in it is not text.
    """
    given = env.get(f"RINGBACK_{name.upper()}")
    if given:
        return given
    value = _read(toml).get(name)
    if value is None or isinstance(value, str):
        return value or None
    msg = f"{toml}: {name} must be text in quotes, not {type(value).__name__}"
    raise ConfigurationError(msg)


def _read(toml: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(toml.read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else str(exc)
        msg = f"{toml} cannot be read: {why}"
        raise ConfigurationError(msg) from exc


DEFAULT_URL: Final = "http://127.0.0.1:8000"

_SEVERAL: Final = "set one of RINGBACK_API_KEY and RINGBACK_API_KEY_FILE, not both"


@dataclass(frozen=True, slots=True)
class Target:
    """A gateway and the API key for it.

    Attributes:
        url: The URL of the gateway, without a trailing slash.
        api_key: The key; a credential.
        source: Where the key comes from, for error messages.
    """

    url: str = field(repr=False)
    api_key: str = field(repr=False)
    source: str


def find_target(
    role: Role,
    *,
    url: str | None = None,
    api_key: str | None = None,
    env: Mapping[str, str] = os.environ,
    toml: Path = TOML,
) -> Target:
    """Return the gateway that a client uses.

    Arguments win over `RINGBACK_URL`, `RINGBACK_API_KEY` and `RINGBACK_API_KEY_FILE`, and those
    over `ringback.toml`. Without any of them, the client uses the gateway on this machine with the
    key that it created for `role` in its data folder (`RINGBACK_DATA`).

    Raises:
        ConfigurationError: The URL or the key is invalid, or the key is missing.
    """

    def setting(name: str) -> str | None:
        return client_setting(name, env=env, toml=toml)

    found_url = _check_url(url or setting("url") or DEFAULT_URL)
    text, source = (api_key, "api_key") if api_key is not None else _find_key(role, setting)
    if from_text(text) is None:
        msg = f"{source} contains no API key; `ringback keys add --role {role.value}` prints one"
        raise ConfigurationError(msg)
    return Target(found_url, text, source)


def local_key_path(folder: Path, role: Role) -> Path:
    """Return the key file for clients of `role` on the gateway's machine."""
    return folder / f"{role.value}.key"


def _find_key(role: Role, setting: Callable[[str], str | None]) -> tuple[str, str]:
    given, file = setting("api_key"), setting("api_key_file")
    if given and file:
        raise ConfigurationError(_SEVERAL)
    if given:
        return given.strip(), "RINGBACK_API_KEY"
    if file:
        return _read_key(Path(file).expanduser(), role), file
    folder = setting("data")
    path = Path(folder).expanduser() if folder else user_state_path("ringback")
    local = local_key_path(path, role)
    return _read_key(local, role), str(local)


def _read_key(path: Path, role: Role) -> str:
    try:
        return path.read_text("utf-8").strip()
    except (OSError, UnicodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        msg = (
            f"the API key in {path} cannot be read ({why}); start the gateway on this machine with"
            " `ringback serve` or `ringback dev`, which creates one in RINGBACK_DATA, or set"
            f" RINGBACK_URL and RINGBACK_API_KEY (from `ringback keys add --role {role.value}`)"
        )
        raise ConfigurationError(msg) from exc


def _check_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
        msg = f"RINGBACK_URL is {text!r}; use the URL of the gateway, such as {DEFAULT_URL}"
        raise ConfigurationError(msg)
    return text.rstrip("/")
