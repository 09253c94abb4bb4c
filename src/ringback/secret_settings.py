"""Settings that are secrets, from files that `RINGBACK_…_FILE` names.

Docker, Kubernetes and systemd mount secrets as files. A file is not inherited by child processes,
and `kubectl describe` and `systemctl show` do not print it.
"""

import os
from pathlib import Path
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import PydanticBaseSettingsSource

from ringback.domain.errors import ConfigurationError
from ringback.secret_files import read_lines

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
