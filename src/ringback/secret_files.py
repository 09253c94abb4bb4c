"""Secret files: those that Ringback creates, and those that a platform mounts.

Only the owner can read what Ringback creates. Mounted files have the mode of the platform: 0444 for
a Docker secret, 0644 or 0440 behind two symlinks in Kubernetes, 0660 after its fsGroup.
"""

import logging
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path

from ringback.domain.errors import ConfigurationError

logger = logging.getLogger(__name__)


def read_or_create(path: Path, new_line: Callable[[], str]) -> list[str]:
    """Return the lines of a secret file; create the file with one line if it is missing.

    If several processes create it at the same time, all of them read the same line.

    Raises:
        ConfigurationError: The file cannot be created or read, or every user can read or write it.
    """
    if not path.exists():
        _create(path, new_line())
    return read_own_lines(path)


def read_own_lines(path: Path) -> list[str]:
    """Return the lines of a file that `read_or_create` created.

    Raises:
        ConfigurationError: The file cannot be read, or every user can read or write it.
    """
    return _read(path, forbidden=stat.S_IROTH | stat.S_IWOTH)


def read_lines(path: Path) -> list[str]:
    """Return the lines of a file that a person or a platform created.

    Raises:
        ConfigurationError: The file cannot be read, or every user can write it.
    """
    return _read(path, forbidden=stat.S_IWOTH)


def _read(path: Path, *, forbidden: int) -> list[str]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        lines = path.read_text("utf-8-sig").splitlines()
    except OSError as exc:
        msg = f"the secret file {path} cannot be read: {exc.strerror}"
        raise ConfigurationError(msg) from exc
    except UnicodeError:
        # The cause contains the secret.
        msg = f"the secret file {path} is not UTF-8 text; save it as UTF-8"
        raise ConfigurationError(msg) from None
    if mode & forbidden:
        msg = (
            f"the secret file {path} is open to every user (mode {mode:04o}); run: chmod 600 {path}"
        )
        raise ConfigurationError(msg)
    if mode & (stat.S_IROTH | stat.S_IWGRP):
        logger.warning(
            "secret file is not secret: other users can %s %s (mode %04o); outside a container,"
            " run: chmod 600 %s",
            "read" if mode & stat.S_IROTH else "change",
            path,
            mode,
            path,
        )
    return lines


def _create(path: Path, line: str) -> None:
    try:
        _write_once(path, line)
    except OSError as exc:
        msg = f"the secret file {path} cannot be created: {exc.strerror}"
        raise ConfigurationError(msg) from exc


def _write_once(path: Path, line: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    mine = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(mine, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(line + "\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        # A hard link fails if the file exists, so one of several processes creates it.
        os.link(mine, path)
    except FileExistsError:
        pass
    finally:
        mine.unlink()
