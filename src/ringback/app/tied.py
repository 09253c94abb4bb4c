"""Tied: a child that ends with the process that started it, even where that is killed.

Run as a script, it ties itself and then becomes the child.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from typing import Final, NoReturn

_PR_SET_PDEATHSIG: Final = 1


def tied(words: Sequence[str]) -> list[str]:
    """Return the command that runs `words` tied to this process.

    Only Linux can do that; elsewhere it is `words`, and a killed parent leaves its children behind.
    """
    if sys.platform != "linux":
        return list(words)
    # Isolated and without site-packages, it takes some milliseconds.
    return [sys.executable, "-I", "-S", __file__, str(os.getpid()), *words]


def _become(parent: int, words: list[str]) -> NoReturn:
    # SIGKILL, since nobody would be there to see to it that a gentler signal is followed.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit("the process that this one was tied to has ended")
    os.execvp(words[0], words)  # noqa: S606 - the words are our own


if __name__ == "__main__":
    _become(int(sys.argv[1]), sys.argv[2:])
