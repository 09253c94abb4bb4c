"""Where the keys come from: given, or made once and kept on this machine."""

import os
import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ringback.domain.errors import ConfigurationError
from ringback.domain.link import KEY_BYTES, Keyring
from ringback.settings import Settings

_NOT_LOCAL: Final = (
    "the store is a server's, so all gateways and workers must have the same keys: set"
    " RINGBACK_KEYS or RINGBACK_KEYS_FILE (a key is <id>:<hex digits>, and `openssl rand -hex 32`"
    " makes the digits)"
)


def load_keyring(settings: Settings) -> Keyring:
    """Return the keys that links are signed with.

    Given keys are used. Without them, a key is made when the store is first used, beside it and
    readable by its owner only: a local store's key is as local as the store. A store for several
    machines needs keys that are given to all of them.

    Raises:
        ConfigurationError: The keys cannot be read, a key file is open to others, or there must be
            keys and are none.
    """
    if settings.keys is not None:
        return _parse(settings.keys.get_secret_value().split(","), "RINGBACK_KEYS")
    if settings.keys_file is not None:
        return _read(settings.keys_file)
    if settings.postgresql_url is not None:
        raise ConfigurationError(_NOT_LOCAL)
    path = settings.database_path.with_suffix(".keys")
    if not path.exists():
        _make(path)
    return _read(path)


def _make(path: Path) -> None:
    try:
        _write_once(path)
    except OSError as exc:
        msg = f"the key file {path} cannot be made: {exc.strerror}"
        raise ConfigurationError(msg) from exc


def _write_once(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    line = f"k{secrets.token_hex(3)}:{secrets.token_hex(KEY_BYTES)}\n"
    mine = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails if the file is there: of several that start at once, one makes the key.
        os.link(mine, path)
    except FileExistsError:
        pass
    finally:
        mine.unlink()


def _read(path: Path) -> Keyring:
    try:
        mode = path.stat().st_mode
        lines = path.read_text().splitlines()
    except OSError as exc:
        msg = f"the key file {path} cannot be read: {exc.strerror}"
        raise ConfigurationError(msg) from exc
    if mode & 0o077:
        msg = f"the key file {path} is open to others; run: chmod 600 {path}"
        raise ConfigurationError(msg)
    return _parse(lines, str(path))


def _parse(lines: Iterable[str], source: str) -> Keyring:
    pairs = [line.strip().partition(":") for line in lines if line.strip()]
    try:
        keys = {key_id: bytes.fromhex(text) for key_id, _, text in pairs}
    except ValueError as exc:
        msg = f"{source}: a key is <id>:<{2 * KEY_BYTES} hex digits>"
        raise ConfigurationError(msg) from exc
    if len(keys) < len(pairs):
        msg = f"{source}: a key id stands there twice"
        raise ConfigurationError(msg)
    if not keys:
        msg = f"{source}: there is no key in it"
        raise ConfigurationError(msg)
    return Keyring(keys, signing=pairs[0][0])
