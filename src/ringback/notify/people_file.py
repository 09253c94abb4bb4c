"""The file of people: groups, other addresses of users, and channels of Apprise."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from ringback.domain.errors import ConfigurationError
from ringback.domain.notification import ESCALATION, MAIL, SLACK
from ringback.domain.person import Directory


@dataclass(frozen=True, slots=True)
class People:
    """What the file contains.

    Attributes:
        directory: The groups and users.
        channels: The URL of each channel, which contains secrets.
    """

    directory: Directory = field(default_factory=Directory)
    channels: dict[str, str] = field(default_factory=dict, repr=False)


class _User(BaseModel):
    model_config = ConfigDict(extra="forbid")

    mail: str | None = None
    slack: str | None = None


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    groups: dict[str, list[str]] = {}
    users: dict[str, _User] = {}
    channels: dict[str, SecretStr] = {}


def read_people(path: Path | None) -> People:
    """Return the content of the file at `path`; nobody without one.

    Raises:
        ConfigurationError: It cannot be read; the message repeats no secret.
    """
    if path is None:
        return People()
    try:
        content = _File.model_validate(tomllib.loads(path.read_text("utf-8")))
    except ValidationError as exc:
        errors = exc.errors(include_input=False, include_url=False)
        said = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in errors)
        msg = f"{path}: {said}"
        raise ConfigurationError(msg) from None
    except tomllib.TOMLDecodeError as exc:
        msg = f"{path} is not TOML: {exc}"
        raise ConfigurationError(msg) from None
    except UnicodeError:
        msg = f"{path} is not UTF-8 text"
        raise ConfigurationError(msg) from None
    except OSError as exc:
        msg = f"{path} cannot be read: {exc.strerror}"
        raise ConfigurationError(msg) from exc
    return _to_people(content)


def _to_people(content: _File) -> People:
    users = content.users.items()
    directory = Directory.of(
        content.groups,
        mail={user: one.mail for user, one in users if one.mail is not None},
        slack={user: one.slack for user, one in users if one.slack is not None},
    )
    channels = {name: url.get_secret_value() for name, url in content.channels.items()}
    for name in channels:
        if name in {MAIL, SLACK, ESCALATION} or ":" in name or not name.strip():
            msg = f"[channels] {name!r} cannot be the name of a channel"
            raise ConfigurationError(msg)
    return People(directory, channels)
