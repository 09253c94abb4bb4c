"""Durations that users give, times that cannot overflow, and the waits between tries."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

LONGEST_DURATION: Final = timedelta(days=3650)
"""The longest duration that any option accepts."""

LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""The latest time that is stored; later ones are replaced by it."""


_SHORT: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_ISO: Final = re.compile(
    r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,6})?)S)?)?", re.ASCII | re.IGNORECASE
)


def check_duration(name: str, value: timedelta | None, *, may_be_zero: bool = False) -> None:
    """Check the duration of the option `name`; `None` is allowed.

    Raises:
        TypeError: It is not a `timedelta`.
        ValueError: It is negative, zero or longer than `LONGEST_DURATION`.
    """
    if value is None:
        return
    if not isinstance(value, timedelta):
        msg = f"{name} must be a timedelta, such as timedelta(minutes=5), not {value!r}"
        raise TypeError(msg)
    is_long_enough = value > timedelta(0) or (may_be_zero and value == timedelta(0))
    if not is_long_enough or value > LONGEST_DURATION:
        least = "at least zero" if may_be_zero else "longer than zero"
        msg = f"{name} must be {least} and at most {LONGEST_DURATION.days} days, not {value}"
        raise ValueError(msg)


def later(instant: datetime, by: timedelta) -> datetime:
    """Add `by` to `instant`, up to `LATEST`.

    Temporal's timeouts may be longer than any date that Python supports.
    """
    return LATEST if by >= LATEST - instant else instant + by


def parse_duration(text: str) -> timedelta:
    """Parse `90m`, `1h30m`, `2d`, or ISO 8601 such as `PT2H`.

    Raises:
        ValueError: It is not a duration, or `check_duration` rejects it.
    """
    found = _SHORT.fullmatch(text) or _ISO.fullmatch(text)
    if found is None or not any(found.groups()):
        msg = f"{text!r} is not a duration; write 90m, 1h30m, 2d or PT2H"
        raise ValueError(msg)
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    try:
        duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        duration = timedelta.max
    check_duration("the duration", duration)
    return duration


def format_instant(instant: datetime) -> str:
    """Format a time as RFC 3339 in UTC, ending in `Z`."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


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
