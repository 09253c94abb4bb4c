"""An error is one line that says what to do next, and does nothing to the reader's terminal."""

import sys
from subprocess import run

SCRIPT = """
from ringback.app.exits import run_command
from ringback.domain.errors import RefusedByTemporalError

def refuse():
    raise RefusedByTemporalError("no \\x1b[31m workflow \\x07 of that name")

run_command(refuse)
"""


def test_an_error_that_quotes_others_steers_no_terminal() -> None:
    ended = run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False)  # noqa: S603 - its words stand above

    assert ended.returncode == 1
    assert ended.stderr == "ringback: no \ufffd[31m workflow \ufffd of that name\n"
