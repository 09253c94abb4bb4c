"""Secret files: made once, readable by their owner only."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

from ringback.domain.errors import ConfigurationError


def read_or_make(path: Path, new_line: Callable[[], str]) -> list[str]:
    """Return the lines of a file, which is made with one line if it is not there.

    Of several that make it at once, one does; all read the same.

    Raises:
        ConfigurationError: It cannot be made or read, or is open to others.
    """
    if not path.exists():
        _make(path, new_line())
    return read_lines(path)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file that nobody else may read.

    Raises:
        ConfigurationError: It cannot be read, or is open to others.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text().splitlines()
    except OSError as exc:
        msg = f"the secret file {path} cannot be read: {exc.strerror}"
        raise ConfigurationError(msg) from exc
    if mode & 0o077:
        msg = f"the secret file {path} is open to others; run: chmod 600 {path}"
        raise ConfigurationError(msg)
    return lines


def _make(path: Path, line: str) -> None:
    try:
        _write_once(path, line)
    except OSError as exc:
        msg = f"the secret file {path} cannot be made: {exc.strerror}"
        raise ConfigurationError(msg) from exc


def _write_once(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A link fails if the file is there: of several that start at once, one makes it.
        os.link(mine, path)
    except FileExistsError:
        pass
    finally:
        mine.unlink()
