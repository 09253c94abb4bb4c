"""A command tells all that it has to tell, and an error in one line that steers no terminal."""

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


def test_what_is_long_is_told_whole_whatever_interrupts_it() -> None:
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with Popen([sys.executable, "-c", LONG], stdout=PIPE, env=environment) as command:  # noqa: S603 - its words stand above
        assert command.stdout is not None
        pipe = command.stdout.fileno()
        room = fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ)
        while waiting_in(pipe) < room:
            assert command.poll() is None
        command.send_signal(signal.SIGUSR1)

        told = command.stdout.read()

    assert told == 300_000 * b"x" + b"\n"


def test_an_error_that_quotes_others_steers_no_terminal() -> None:
    ended = run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)  # noqa: S603 - its words stand above

    assert ended.returncode == 1
    assert ended.stderr == "ringback: no \ufffd[31m workflow \ufffd of that name\n"


def test_a_command_whose_output_is_closed_ends_as_any_other() -> None:
    closed = ["sh", "-c", 'exec "$@" >&-', "sh", sys.executable, "-c", SCRIPT]
    ended = run(closed, stderr=PIPE, text=True, check=False)  # noqa: S603 - its words stand above

    assert ended.returncode == 1
    assert ended.stderr.startswith("ringback: no ")
    assert ended.stderr.count("\n") == 1


def test_text_that_the_terminal_cannot_show_is_escaped() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    words = [sys.executable, "-c", NOT_LATIN]
    ended = run(words, capture_output=True, env=environment, check=False)  # noqa: S603 - its words stand above

    assert (ended.returncode, ended.stderr) == (0, b"")
    assert ended.stdout == b"\\u65e5\\u672c \\u2713\n"
