"""Loads the sources and the queues from the file that has them."""

import os
from pathlib import Path

from ringback.app.fetch import fetch
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
