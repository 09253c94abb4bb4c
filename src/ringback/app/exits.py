"""How a command ends: one line for an error, and an exit code that says what to do next."""

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
"""The first that fits decides: 1 the answer is no, 2 it was asked wrongly, 3 it may work later."""


def exit_code(error: RingbackError) -> int:
    """Return the exit code for `error`."""
    return next(code for kind, code in EXITS.items() if isinstance(error, kind))


def run_command(command: Callable[[], object]) -> NoReturn:
    """Run a command line, and end the process."""
    code = REFUSED
    for out in (sys.stdout, sys.stderr):
        if isinstance(out, io.TextIOWrapper):
            # What a terminal cannot show must not end the command.
            out.reconfigure(errors="backslashreplace")
    sys.stdout = _whole(sys.stdout)
    try:
        code = _run(command)
    finally:
        if sys.exc_info()[0] is not None:
            sys.excepthook(*sys.exc_info())
        for out in (sys.stdout, sys.stderr):
            _flush(out)
        # An interpreter that ends while the SDK's threads still run may hang or crash (temporalio
        # 1.35, issue 300 of sdk-python). Everything of ours is closed and flushed by now.
        os._exit(code)


def _flush(out: TextIO | None) -> None:
    """Write what `out` holds; it may be closed, or be read by nobody any more."""
    if out is not None:
        with suppress(OSError, ValueError):
            out.flush()


def _whole(out: TextIO) -> TextIO:
    """Return what writes to `out` all that it is given; after each line at the latest.

    Under `PYTHONUNBUFFERED` Python drops the rest of what the system took a part of only: of what
    fills a pipe, when a signal comes in between.
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
        sys.stderr.write(f"ringback: {_harmless(str(exc))}\n")
        return exit_code(exc)
    except SystemExit as exc:
        return exc.code if isinstance(exc.code, int) else int(exc.code is not None)
    return 0


def _harmless(text: str) -> str:
    """Return `text` as a terminal may show it: what others wrote in it must not steer one."""
    return "".join(sign if sign.isprintable() or sign == "\n" else "\ufffd" for sign in text)
