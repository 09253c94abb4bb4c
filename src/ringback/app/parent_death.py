"""The parent-death signal: the system kills a child when its parent ends, even if it is killed.

Run as a script, this module requests the signal and then executes the child's program.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1


def end_with_parent(words: Sequence[str]) -> list[str]:
    """Return a command that runs `words` until they end or this process ends.

    Elsewhere than on Linux it is `words` itself, which survives a parent that is killed.
    """
    if sys.platform != "linux":
        return list(words)
    # Isolated and without site-packages, Python starts in a few milliseconds.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *words]


def _become(parent: int, words: list[str]) -> NoReturn:
    # SIGKILL, because no process is left to wait for a gentler signal to take effect.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the parent process has ended")
    os.execvp(words[0], words)  # noqa: S606 - the words are our own


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
