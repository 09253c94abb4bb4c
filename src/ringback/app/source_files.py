"""Loads the sources and the queues from the file that has them, and what they need by HTTP."""

import os
from pathlib import Path
from typing import Final

import httpx2

from ringback.domain.errors import ConfigurationError
from ringback.settings import CONFIG_FILE, Settings
from ringback.sources.config import Source, load_sources
from ringback.sources.queue_config import QueueConfig, load_queues


def config_file(settings: Settings) -> Path:
    """Return the file that has the sources and the queues."""
    return settings.sources_file or CONFIG_FILE.absolute()


def load_all_sources(settings: Settings) -> tuple[dict[str, Source], dict[str, QueueConfig]]:
    """Return the sources and the queues.

    Raises:
        ConfigurationError: Some are wrong; the message names all of them.
    """
    path = config_file(settings)
    if settings.sources_file is not None and not path.exists():
        msg = f"RINGBACK_SOURCES_FILE: {path} does not exist"
        raise ConfigurationError(msg)
    try:
        sources = load_sources(path, os.environ, fetch=fetch)
    except ConfigurationError as exc:
        try:
            load_queues(path, os.environ)
        except ConfigurationError as more:
            lines = dict.fromkeys([str(exc), str(more)])
            raise ConfigurationError("\n".join(lines)) from exc
        raise
    return sources, load_queues(path, os.environ)


LARGEST: Final = 64 * 1024
"""Maximum bytes of a reply."""

_TIMEOUT_SECONDS: Final = 5


def fetch(url: str) -> bytes:
    """Return the body of a GET that succeeds at once, without a redirect.

    Raises:
        OSError: It failed; the message does not repeat the URL, which may hold a secret.
    """
    body = b""
    try:
        with httpx2.stream("GET", url, timeout=_TIMEOUT_SECONDS, follow_redirects=False) as reply:
            for chunk in reply.iter_bytes():
                body += chunk
                if len(body) > LARGEST:
                    msg = f"the reply is larger than {LARGEST:,} bytes"
                    raise OSError(msg)
    except httpx2.HTTPError as exc:
        msg = f"the request failed: {type(exc).__name__}"
        raise OSError(msg) from None
    if not reply.is_success:
        msg = f"the reply has the status {reply.status_code}"
        raise OSError(msg)
    return body
