"""Secrets that providers offer in their handshakes, in files that only their owner can read.

Anyone can offer a secret. An operator compares the latest ones with what the provider shows, and
names the right one in the settings.
"""

import os
import threading
from pathlib import Path
from secrets import token_hex
from typing import Final

from ringback.domain.durations import format_instant
from ringback.ports.clock import Clock

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
