"""How requests to the server are made."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final

from temporalio.service import RPCError

from ringback.domain.callback import ActivityExecution
from ringback.temporal.translate import to_error

TIMEOUT: Final = timedelta(seconds=5)
"""For how long a request may take: shorter than a delivery's lease."""


@contextmanager
def translated(about: ActivityExecution | None = None) -> Iterator[None]:
    """Raise what the server says `about` an activity as one of Ringback's errors.

    The SDK is never asked to retry by itself: it would hide that an earlier try was applied, and
    the deliverer has its own back-off.
    """
    try:
        yield
    except (RPCError, RuntimeError) as exc:
        error = to_error(exc, about)
        raise error from exc
