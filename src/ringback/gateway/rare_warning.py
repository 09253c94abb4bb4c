"""Warnings about load: once a minute is enough, however many requests it meets."""

import logging
import time
from typing import Final

_EVERY_SECONDS: Final = 60


class RareWarning:
    """Logs a warning at most once a minute."""

    def __init__(self, log: logging.Logger) -> None:
        """Log to `log`."""
        self._log = log
        self._silent_until = 0.0

    def warn(self, message: str, *values: object) -> None:
        """Log this warning, unless one was logged within the last minute."""
        now = time.monotonic()
        if now >= self._silent_until:
            self._silent_until = now + _EVERY_SECONDS
            self._log.warning(message, *values)
