"""Durations: one rule for every one that a user gives, and instants that cannot overflow."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

LONGEST_DURATION: Final = timedelta(days=3650)
"""The longest duration that any option accepts."""

LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
"""The latest instant that is stored; what would be later is this one."""


_SHORT: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_ISO: Final = re.compile(
    r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,6})?)S)?)?", re.ASCII | re.IGNORECASE
)


def check_duration(name: str, value: timedelta | None, *, may_be_zero: bool = False) -> None:
    """Check the duration that a user gives for the option `name`; `None` is none.

    Raises:
        TypeError: It is not a `timedelta`.
        ValueError: It is negative or zero, or longer than `LONGEST_DURATION`.
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
    """Return the instant `by` after `instant`, and `LATEST` where that is beyond it.

    Temporal's timeouts may be longer than any date that Python knows.
    """
    return LATEST if by >= LATEST - instant else instant + by


def parse_duration(text: str) -> timedelta:
    """Return the duration that `text` says: `90m`, `1h30m`, `2d`, or ISO 8601 such as `PT2H`.

    Raises:
        ValueError: It says none, or one that `check_duration` refuses.
    """
    found = _SHORT.fullmatch(text) or _ISO.fullmatch(text)
    if found is None or not any(found.groups()):
        msg = f"{text!r} is no duration; write 90m, 1h30m, 2d or PT2H"
        raise ValueError(msg)
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    try:
        duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except OverflowError:
        duration = timedelta.max
    check_duration("the duration", duration)
    return duration


def format_instant(instant: datetime) -> str:
    """Return an instant as RFC 3339 writes it in UTC, with a `Z` at its end."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")
