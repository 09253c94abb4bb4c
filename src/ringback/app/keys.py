"""Where the link keys come from: given, or made once and kept on this machine."""

import secrets
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from ringback.app.secret_files import read_lines, read_or_make, read_own_lines
from ringback.domain.errors import ConfigurationError
from ringback.domain.link import KEY_BYTES, Keyring
from ringback.settings import Settings

_NOT_LOCAL: Final = (
    "the store is a server's, so all gateways and workers must have the same link keys: set"
    " RINGBACK_KEYS or RINGBACK_KEYS_FILE (a key is <id>:<hex digits>, and `openssl rand -hex 32`"
    " makes the digits)"
)


def load_or_make_keyring(settings: Settings) -> Keyring:
    """Return the link keys: what links are signed with.

    Given keys are used. Without them, a key is made when the store is first used, beside it and
    readable by its owner only: a local store's key is as local as the store. A store for several
    machines needs keys that are given to all of them.

    Raises:
        ConfigurationError: See `load_keyring`; or a key cannot be made.
    """
    path = _local_path(settings)
    if path is None:
        return load_keyring(settings)
    return _parse(read_or_make(path, _new_key), str(path))


def load_keyring(settings: Settings) -> Keyring:
    """Return the link keys, and create none.

    Raises:
        ConfigurationError: The keys cannot be read, every user can write a key file, or there
            must be keys and are none.
    """
    if settings.keys is not None:
        return _parse(settings.keys.get_secret_value().split(","), "RINGBACK_KEYS")
    if settings.keys_file is not None:
        return _parse(read_lines(settings.keys_file), str(settings.keys_file))
    path = _local_path(settings)
    if path is None:
        raise ConfigurationError(_NOT_LOCAL)
    return _parse(read_own_lines(path), str(path))


def _local_path(settings: Settings) -> Path | None:
    """Return the file of the key beside a local store; `None` if keys are given, or must be."""
    is_given = settings.keys is not None or settings.keys_file is not None
    if is_given or settings.postgresql_url is not None:
        return None
    return settings.database_path.with_suffix(".keys")


def _new_key() -> str:
    return f"k{secrets.token_hex(3)}:{secrets.token_hex(KEY_BYTES)}"


def _form(source: str) -> str:
    return (
        f"{source} holds something that is not a key; write <id>:<{2 * KEY_BYTES} hex digits>"
        " (`openssl rand -hex 32` makes the digits)"
    )


def _parse(lines: Iterable[str], source: str) -> Keyring:
    pairs = [line.strip().partition(":") for line in lines if line.strip()]
    try:
        keys = {key_id: bytes.fromhex(text) for key_id, _, text in pairs}
    except ValueError:
        # Without its cause: what is wrong may be a key.
        raise ConfigurationError(_form(source)) from None
    if not all(colon for _, colon, _ in pairs):
        raise ConfigurationError(_form(source))
    if len(keys) < len(pairs):
        msg = f"{source}: a key id stands there twice"
        raise ConfigurationError(msg)
    if not keys:
        msg = f"{source}: there is no key in it"
        raise ConfigurationError(msg)
    return Keyring(keys, signing=pairs[0][0])
