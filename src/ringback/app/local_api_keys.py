"""The API keys of one machine: a gateway on a SQLite store makes one for each kind of client.

They are files in the folder of the store, readable by their owner only, so a worker and the
command line on this machine need no settings.
"""

import logging
import secrets
from pathlib import Path
from typing import Final

from ringback.app.secret_files import read_or_make
from ringback.client.target import local_key_path
from ringback.domain.api_key import (
    ID_BYTES,
    SECRET_BYTES,
    KeyId,
    Role,
    digest_secret,
    from_text,
    new_key_id,
    new_secret,
    to_text,
)
from ringback.domain.errors import ConfigurationError
from ringback.ports.api_keys import ApiKeys, NewKey

logger = logging.getLogger(__name__)

LOCAL_ROLES: Final = (Role.WORKER, Role.OPERATOR)
"""Whom a gateway makes a key for by itself."""


async def ensure_local_keys(folder: Path, keys: ApiKeys) -> None:
    """Make the local keys that are not there yet, as files in `folder` and in the store.

    Several gateways may do it at once: all of them use the same files.

    Raises:
        ConfigurationError: A file cannot be made or read, is open to every user, or holds no key.
        StoreUnavailableError: The keys could not be stored; retry.
    """
    for role in LOCAL_ROLES:
        path = local_key_path(folder, role)
        key_id, secret = _read(path)
        known = await keys.find_key(key_id)
        if known is None:
            name = f"{role.value} on this machine"
            await keys.add_key(NewKey(key_id, name, role, digest_secret(secret)))
        elif known.revoked_at is not None:
            logger.warning("the API key in %s is revoked; delete the file to get a new one", path)


def _read(path: Path) -> tuple[KeyId, str]:
    for line in read_or_make(path, _new_key):
        parts = from_text(line.strip())
        if parts is not None:
            return parts
    msg = f"{path} holds no API key; delete the file to get a new one"
    raise ConfigurationError(msg)


def _new_key() -> str:
    key_id = new_key_id(secrets.token_bytes(ID_BYTES))
    return to_text(key_id, new_secret(secrets.token_bytes(SECRET_BYTES)))
