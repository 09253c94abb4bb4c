"""The `Prefer: wait=N` of RFC 7240: the sender would rather wait than ask again."""

import re
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

LONGEST_WAIT: Final = timedelta(seconds=60)

_WAIT: Final = re.compile(r"""(?:^|[,;])\s*wait\s*=\s*"?(\d{1,9})"?\s*(?=$|[,;])""", re.IGNORECASE)


def wanted_wait(prefer: Iterable[str]) -> timedelta:
    """Return how long the sender wants to wait, at most `LONGEST_WAIT`; zero if it does not."""
    found = _WAIT.search(",".join(prefer))
    if found is None:
        return timedelta(0)
    return min(timedelta(seconds=int(found[1])), LONGEST_WAIT)


def applied(wait: timedelta) -> dict[str, str]:
    """Return the header that tells the sender that its wish was met, if it had one."""
    return {"preference-applied": f"wait={wait.seconds}"} if wait else {}
