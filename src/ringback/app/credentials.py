"""Credentials of a gateway: link keys, webhook secrets and API keys of this machine, and offers."""

import logging
import os
import secrets
import threading
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from secrets import token_hex
from typing import Final

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
from ringback.domain.durations import format_instant
from ringback.domain.errors import ConfigurationError
from ringback.domain.link import KEY_BYTES, Keyring
from ringback.notify.addresses import PublicNetwork
from ringback.notify.webhook import SECRET_BYTES as WEBHOOK_SECRET_BYTES
from ringback.notify.webhook import Unsigned, from_secret, opened_webhooks, to_secret
from ringback.ports.access import ApiKeys, NewKey
from ringback.ports.clock import Clock
from ringback.ports.webhooks import Sender
from ringback.secret_files import read_lines, read_or_create, read_own_lines
from ringback.settings import Settings

logger = logging.getLogger(__name__)

_NOT_LOCAL: Final = (
    "the store is on PostgreSQL, so all gateways need the same link keys: set"
    " RINGBACK_KEYS or RINGBACK_KEYS_FILE (a key is <id>:<hex digits>, and `openssl rand -hex 32`"
    " makes the digits)"
)


def load_or_create_keyring(settings: Settings) -> Keyring:
    """Return the keys that sign links; on SQLite, create one if the settings have none.

    The new key is a file next to the store that only its owner can read.

    Raises:
        ConfigurationError: The keys cannot be read or created, every user can write a key file, or
            the store is on PostgreSQL and the settings have no keys.
    """
    path = _local_path(settings)
    if path is None:
        return load_keyring(settings)
    return _parse_link_keys(read_or_create(path, _new_link_key), str(path))


def load_keyring(settings: Settings) -> Keyring:
    """Return the keys that sign links; create none.

    Raises:
        ConfigurationError: The keys are missing or cannot be read, or every user can write a key
            file.
    """
    if settings.keys is not None:
        return _parse_link_keys(settings.keys.get_secret_value().split(","), "RINGBACK_KEYS")
    if settings.keys_file is not None:
        return _parse_link_keys(read_lines(settings.keys_file), str(settings.keys_file))
    path = _local_path(settings)
    if path is None:
        raise ConfigurationError(_NOT_LOCAL)
    return _parse_link_keys(read_own_lines(path), str(path))


def _local_path(settings: Settings) -> Path | None:
    """Return the key file next to a SQLite store; `None` if keys come from the settings."""
    is_given = settings.keys is not None or settings.keys_file is not None
    if is_given or settings.postgresql_url is not None:
        return None
    return settings.database_path.with_suffix(".keys")


def _new_link_key() -> str:
    return f"k{secrets.token_hex(3)}:{secrets.token_hex(KEY_BYTES)}"


def _form(source: str) -> str:
    return (
        f"{source} contains something that is not a key; write <id>:<{2 * KEY_BYTES} hex digits>"
        " (`openssl rand -hex 32` makes the digits)"
    )


def _parse_link_keys(lines: Iterable[str], source: str) -> Keyring:
    pairs = [line.strip().partition(":") for line in lines if line.strip()]
    try:
        keys = {key_id: bytes.fromhex(text) for key_id, _, text in pairs}
    except ValueError:
        # The cause may contain a key.
        raise ConfigurationError(_form(source)) from None
    if not all(colon for _, colon, _ in pairs):
        raise ConfigurationError(_form(source))
    if len(keys) < len(pairs):
        msg = f"{source} contains a key id twice; give each key an id of its own"
        raise ConfigurationError(msg)
    if not keys:
        msg = f"{source} contains no key"
        raise ConfigurationError(msg)
    return Keyring(keys, signing=pairs[0][0])


def load_webhook_secrets(settings: Settings) -> Sequence[bytes]:
    """Return the secrets that sign webhooks; on SQLite, create one if the settings have none.

    Every webhook is signed with all of them. The new secret is a file next to the store that only
    its owner can read. On PostgreSQL there are no secrets unless the settings have some.

    Raises:
        ConfigurationError: A secret is invalid or cannot be read, or every user can read its file.
    """
    if settings.webhook_secrets is not None:
        given = settings.webhook_secrets.get_secret_value().split(",")
        return _parse_secrets(given, "RINGBACK_WEBHOOK_SECRETS")
    if settings.postgresql_url is not None:
        return ()
    path = settings.database_path.with_suffix(".webhooks")
    return _parse_secrets(read_or_create(path, _new_secret), str(path))


def opened_sender(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[Sender]:
    """Return a context manager for a sender of webhooks; without a secret it sends nothing.

    Raises:
        ConfigurationError: A secret is invalid or cannot be read, or every user can read its file.
    """
    known = load_webhook_secrets(settings)
    if not known:
        logger.warning(
            "no webhook secret is set: nothing is sent to cancel_url and notify_url; set"
            " RINGBACK_WEBHOOK_SECRETS"
        )
        return nullcontext(Unsigned())
    network = PublicNetwork(allows_private=settings.allow_private_webhooks)
    return opened_webhooks(known, clock=clock, network=network)


def opened_link_sender(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[Sender]:
    """Return a context manager for what sends the links of `ringback.wait` from a worker.

    It signs with the secrets of the gateway, and creates none: receivers would not know it.

    Raises:
        ConfigurationError: A secret is invalid or cannot be read, or every user can read its file.
    """
    known = load_webhook_secrets(settings) if _has_webhook_secret(settings) else ()
    if not known:
        logger.warning(
            "no webhook secret for ringback.wait: it sends no links; set RINGBACK_WEBHOOK_SECRETS"
            " to that of the gateways"
        )
        return nullcontext(Unsigned())
    network = PublicNetwork(allows_private=settings.allow_private_webhooks)
    return opened_webhooks(known, clock=clock, network=network)


def _has_webhook_secret(settings: Settings) -> bool:
    if settings.webhook_secrets is not None:
        return True
    is_local = settings.postgresql_url is None
    return is_local and settings.database_path.with_suffix(".webhooks").exists()


def _new_secret() -> str:
    return from_secret(secrets.token_bytes(WEBHOOK_SECRET_BYTES))


def _parse_secrets(lines: Iterable[str], source: str) -> Sequence[bytes]:
    try:
        found = [to_secret(line.strip()) for line in lines if line.strip()]
    except ConfigurationError as exc:
        msg = f"{source}: {exc}"
        raise ConfigurationError(msg) from exc
    if not found:
        msg = f"{source}: there is no secret"
        raise ConfigurationError(msg)
    return found


LOCAL_ROLES: Final = (Role.WORKER, Role.OPERATOR)
"""The roles for which a gateway on SQLite creates a key."""


async def ensure_local_keys(folder: Path, keys: ApiKeys) -> None:
    """Create the missing API keys of this machine, as files in `folder` and in the store.

    Only the owner of the files can read them. With them, a worker and the CLI on this machine need
    no settings. Safe to run in several gateways at the same time.

    Raises:
        ConfigurationError: A file cannot be created or read, every user can read it, or it has no
            valid key.
        StoreUnavailableError: The keys cannot be stored; retry.
    """
    for role in LOCAL_ROLES:
        path = local_key_path(folder, role)
        key_id, secret = _read_api_key(path)
        known = await keys.find_key(key_id)
        if known is None:
            name = f"{role.value} on this machine"
            await keys.add_key(NewKey(key_id, name, role, digest_secret(secret)))
        elif known.revoked_at is not None:
            logger.warning("local API key is revoked: %s; delete the file to get a new one", path)


def _read_api_key(path: Path) -> tuple[KeyId, str]:
    for line in read_or_create(path, _new_api_key):
        parts = from_text(line.strip())
        if parts is not None:
            return parts
    msg = f"{path} contains no API key; delete the file to get a new one"
    raise ConfigurationError(msg)


def _new_api_key() -> str:
    key_id = new_key_id(secrets.token_bytes(ID_BYTES))
    return to_text(key_id, new_secret(secrets.token_bytes(SECRET_BYTES)))


MOST_OFFERS: Final = 20
"""Offers of a source that are kept, the newest first."""


class OfferedSecrets:
    """Keeps the latest offers of each source in a file. It is safe to use in threads."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        """Keep the offers in `folder`, which is created when it is needed."""
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()

    def keep(self, source: str, secret: str) -> Path:
        """Write the offer of `source`, with its time, and return the file.

        Raises:
            OSError: The file cannot be written.
        """
        path = self._folder / f"{source}.txt"
        with self._lock:
            offers = path.read_text("utf-8", "replace").splitlines() if path.exists() else []
            if not offers or offers[0].partition(" ")[2] != secret:
                offer = f"{format_instant(self._clock.now())} {secret}"
                self._replace(path, [offer, *offers[: MOST_OFFERS - 1]])
        return path

    def _replace(self, path: Path, lines: list[str]) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{token_hex(4)}")
        try:
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write("\n".join(lines) + "\n")
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
