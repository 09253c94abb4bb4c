"""How long to wait before the next try."""

from datetime import timedelta
from typing import Final

FIRST: Final = timedelta(milliseconds=100)
LONGEST: Final = timedelta(seconds=5)


def backoff(
    tries: int, *, jitter: float, first: timedelta = FIRST, longest: timedelta = LONGEST
) -> timedelta:
    """Return the wait after `tries` failed tries: it doubles up to `longest`, with jitter.

    Half of the wait is fixed and half is random, so that callers that failed together do not
    retry together.

    Args:
        tries: The number of failed tries, from 1.
        jitter: A random number from 0 to 1.
        first: The wait after the first failed try.
        longest: The longest wait.
    """
    doubled: timedelta = first * 2 ** min(tries - 1, 16)
    full = min(longest, doubled)
    return full / 2 + full / 2 * jitter
