"""How long to wait before the next try."""

from datetime import timedelta
from typing import Final

FIRST: Final = timedelta(milliseconds=100)
LONGEST: Final = timedelta(seconds=5)


def backoff(
    tries: int, *, jitter: float, first: timedelta = FIRST, longest: timedelta = LONGEST
) -> timedelta:
    """Return the wait after `tries` failed tries: doubling, bounded, and spread by chance.

    Half of the wait is fixed and half is spread, so that many that failed together do not return
    together.

    Args:
        tries: How many tries have failed, from 1.
        jitter: Chance, from 0 to 1.
        first: The wait after the first failed try.
        longest: No wait is longer.
    """
    doubled: timedelta = first * 2 ** min(tries - 1, 16)
    full = min(longest, doubled)
    return full / 2 + full / 2 * jitter
