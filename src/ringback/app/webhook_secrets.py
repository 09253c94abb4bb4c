"""Where the secrets come from that webhooks are signed with: given, or made once and kept here."""

import logging
import secrets
from collections.abc import Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from ringback.app.secret_files import read_or_make
from ringback.domain.errors import ConfigurationError
from ringback.notify.addresses import PublicNetwork
from ringback.notify.signature import SECRET_BYTES, from_secret, to_secret
from ringback.notify.webhook import Unsigned, opened_webhooks
from ringback.ports.clock import Clock
from ringback.ports.webhooks import Sender
from ringback.settings import Settings

logger = logging.getLogger(__name__)


def load_webhook_secrets(settings: Settings) -> Sequence[bytes]:
    """Return the secrets that webhooks are signed with; all of them sign.

    Given secrets are used. Without them, one is made when the store is first used, beside it and
    readable by its owner only. A store for several machines needs secrets that are given to all of
    them: without any there is none.

    Raises:
        ConfigurationError: They cannot be read, or every user can read the file.
    """
    if settings.webhook_secrets is not None:
        given = settings.webhook_secrets.get_secret_value().split(",")
        return _parse(given, "RINGBACK_WEBHOOK_SECRETS")
    if settings.postgresql_url is not None:
        return ()
    path = settings.database_path.with_suffix(".webhooks")
    return _parse(read_or_make(path, _new_secret), str(path))


def opened_sender(settings: Settings, clock: Clock) -> AbstractAsyncContextManager[Sender]:
    """Return what opens a sender of webhooks: one that sends nothing, if there is no secret.

    Raises:
        ConfigurationError: The secrets cannot be read, or every user can read the file.
    """
    known = load_webhook_secrets(settings)
    if not known:
        logger.warning("nobody is told at a cancel_url or notify_url: no webhook secret is set")
        return nullcontext(Unsigned())
    network = PublicNetwork(allows_private=settings.allow_private_webhooks)
    return opened_webhooks(known, clock=clock, network=network)


def _new_secret() -> str:
    return from_secret(secrets.token_bytes(SECRET_BYTES))


def _parse(lines: Iterable[str], source: str) -> Sequence[bytes]:
    try:
        found = [to_secret(line.strip()) for line in lines if line.strip()]
    except ConfigurationError as exc:
        msg = f"{source}: {exc}"
        raise ConfigurationError(msg) from exc
    if not found:
        msg = f"{source}: there is no secret in it"
        raise ConfigurationError(msg)
    return found
