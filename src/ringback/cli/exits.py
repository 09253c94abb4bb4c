"""Exit codes: what a program that calls `ringback` learns without reading."""

from typing import Final

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
}
"""The first that fits decides: 1 the answer is no, 2 it was asked wrongly, 3 it may work later."""


def exit_code(error: RingbackError) -> int:
    """Return the exit code for `error`."""
    return next(code for kind, code in EXITS.items() if isinstance(error, kind))
