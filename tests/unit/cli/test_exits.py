"""A command prints all its output, and an error as one line without control characters."""

import fcntl
import os
import signal
import sys
import termios
from subprocess import PIPE, Popen, run

SCRIPT = """
from ringback.app.exits import run_command
from ringback.domain.errors import RefusedByTemporalError

def refuse():
    raise RefusedByTemporalError("no \\x1b[31m workflow \\x07 of that name")

run_command(refuse)
"""

LONG = """
import signal
from ringback.app.exits import run_command

signal.signal(signal.SIGUSR1, lambda *_: None)
run_command(lambda: print(300_000 * "x"))
"""


NOT_LATIN = """
from ringback.app.exits import run_command

run_command(lambda: print("\u65e5\u672c \u2713"))
"""


def waiting_in(pipe: int) -> int:
    """Return how many bytes wait to be read."""
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def test_long_output_is_complete_after_interrupts() -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with Popen([sys.executable, "-c", LONG], stdout=PIPE, env=environment) as command:  # noqa: S603 - its words stand above
        assert command.stdout is not None
        pipe = command.stdout.fileno()
        room = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
        while waiting_in(pipe) < room:
            assert command.poll() is None
        command.send_signal(signal.SIGUSR1)

        printed = command.stdout.read()

    assert printed == 300_000 * b"x" + b"\n"


def test_error_with_hostile_text_sends_no_control_characters() -> None:
    ended = run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)  # noqa: S603 - its words stand above

    assert ended.returncode == 1
    assert ended.stderr == "ringback: no \ufffd[31m workflow \ufffd of that name\n"


def test_command_with_closed_output_exits_normally() -> None:
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", SCRIPT]
    ended = run(closed, stderr=PIPE, text=True, check=False)  # noqa: S603 - its words stand above

    assert ended.returncode == 1
    assert ended.stderr.startswith("ringback: no ")
    assert ended.stderr.count("\n") == 1


def test_unprintable_text_is_escaped() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    words = [sys.executable, "-c", NOT_LATIN]
    ended = run(words, capture_output=True, env=environment, check=False)  # noqa: S603 - its words stand above

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout == b"\\u65e5\\u672c \\u2713\n"
