"""Settings of a client: from `RINGBACK_*` in the environment, then from `ringback.toml`.

They are read with the standard library: a worker needs no settings library.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

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
