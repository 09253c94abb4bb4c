"""How a command ends: one line for an error, and an exit code for scripts."""

import io
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn, TextIO

from ringback.domain.completion_errors import ActivityCompletionError
from ringback.domain.errors import (
    ConfigurationError,
    FinalError,
    RetryableError,
    RingbackError,
)

REFUSED: Final = 1
USAGE: Final = 2
TRY_AGAIN: Final = 3

EXITS: Final[dict[type[RingbackError], int]] = {
    ConfigurationError: USAGE,
    RetryableError: TRY_AGAIN,
    FinalError: REFUSED,
    ActivityCompletionError: REFUSED,
}
"""The first class that matches decides: 1 refused, 2 wrong usage or settings, 3 retry later."""


def exit_code(error: RingbackError) -> int:
    """Return the exit code for `error`."""
    return next(code for kind, code in EXITS.items() if isinstance(error, kind))


def run_command(command: Callable[[], object]) -> NoReturn:
    """Run a command line and end the process."""
    code = REFUSED
    for out in (sys.stdout, sys.stderr):
        if isinstance(out, io.TextIOWrapper):
            # Characters that a terminal cannot encode must not end the command.
            out.reconfigure(errors="backslashreplace")
    sys.stdout = _to_line_buffered(sys.stdout)
    try:
        code = _run(command)
    finally:
        if sys.exc_info()[0] is not None:
            sys.excepthook(*sys.exc_info())
        for out in (sys.stdout, sys.stderr):
            _flush(out)
        # An interpreter that ends while the SDK's threads still run may hang or crash (temporalio
        # 1.35, issue 300 of sdk-python). Ringback has closed and flushed everything.
        os._exit(code)


def _flush(out: TextIO | None) -> None:
    """Flush `out`, which may be closed or a broken pipe."""
    if out is not None:
        with suppress(OSError, ValueError):
            out.flush()


def _to_line_buffered(out: TextIO) -> TextIO:
    """Return a line-buffered stream to `out` that writes everything.

    With `PYTHONUNBUFFERED`, Python loses the rest of a partial write, which happens when a signal
    interrupts a write to a full pipe.
    """
    if not isinstance(getattr(out, "buffer", None), io.RawIOBase):
        return out
    return open(
        out.fileno(), "w", encoding=out.encoding, errors=out.errors, buffering=1, closefd=False
    )


def _run(command: Callable[[], object]) -> int:
    try:
        command()
    except RingbackError as exc:
        sys.stderr.write(f"ringback: {_to_printable(str(exc))}\n")
        return exit_code(exc)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    return 0


def _to_printable(text: str) -> str:
    """Return `text` without control characters: it may contain text from outside."""
    return "".join(char if char.isprintable() or char == "\n" else "\ufffd" for char in text)
