"""Values as texts of controls: from JSON to text, and back without loss."""

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic_core import from_json

from ringback.domain.exact_json import OUT_OF_RANGE, has_infinite_number
from ringback.gateway.pages.form_model import MISSING, NUMBERS, Control, Input, to_text

_LONGEST_NUMBER: Final = 1000

_NUMBER: Final = re.compile(r"([+-]?)0*(\d+)(\.\d+)?([eE][+-]?\d{1,4})?", re.ASCII)
# Behind hours and minutes: not behind seconds, nor behind an offset.
_SECONDS: Final = re.compile(r"(?<=\d\d:\d\d)(?<![:+-]\d\d:\d\d)(?=$|[Z+-])")


class EntryError(Exception):
    """A text cannot be read as the value that was asked for; the message says what to enter."""


def read_input(field: Input, text: str) -> str | None:
    """Return the JSON text of what was typed; `None` if the value is left out.

    Raises:
        EntryError: It is missing, or not such a value.
    """
    is_text = field.control in {Control.TEXT, Control.LONG_TEXT}
    entered = text if is_text else text.strip()
    if not entered:
        return _read_empty(field, is_text=is_text)
    if field.control in NUMBERS:
        return _read_number(field, entered)
    if field.control is Control.JSON:
        return _read_json(entered)
    convert = _TO_JSON.get(field.control)
    return json.dumps(convert(entered) if convert else entered)


def to_typed(field: Input, value: Any) -> str:
    """Return how a person would type `value`, which is JSON."""
    if field.control is Control.JSON:
        return json.dumps(value, ensure_ascii=False, indent=2)
    convert = _TO_TYPED.get(field.control)
    return convert(value) if convert and isinstance(value, str) else to_text(value)


def _read_empty(field: Input, *, is_text: bool) -> str | None:
    if field.is_nullable:
        return "null"
    if field.default is not MISSING and is_text:
        return '""'
    if field.is_required or field.default is not MISSING:
        msg = "enter a value"
        raise EntryError(msg)
    return None


def _read_number(field: Input, text: str) -> str:
    if len(text) > _LONGEST_NUMBER:
        msg = f"enter at most {_LONGEST_NUMBER} digits"
        raise EntryError(msg)
    match = _NUMBER.fullmatch(text if text[:1] != "." else f"0{text}")
    if match is None:
        hint = "; write 1.50, not 1,50" if "," in text else ", such as 1.50"
        is_whole = field.control is Control.INTEGER
        msg = "enter a whole number, such as 3" if is_whole else f"enter a number{hint}"
        raise EntryError(msg)
    sign, whole, fraction, power = match.groups(default="")
    number = f"{'-' if sign == '-' else ''}{whole}{fraction}{power}"
    if has_infinite_number(number.encode()):
        raise EntryError(OUT_OF_RANGE)
    if field.control is Control.DECIMAL:
        _check_bounds(field.bounds, Decimal(number))
        is_exact = Decimal(repr(float(number))) == Decimal(number)
        return number if is_exact or power else json.dumps(number)
    if field.control is Control.INTEGER and _has_remainder(Decimal(number), Decimal(1)):
        msg = "enter a whole number, such as 3"
        raise EntryError(msg)
    return number


_BOUNDS: Final[Mapping[str, tuple[str, Callable[[Decimal, Decimal], bool]]]] = {
    "minimum": ("at least", lambda number, bound: number >= bound),
    "exclusiveMinimum": ("more than", lambda number, bound: number > bound),
    "maximum": ("at most", lambda number, bound: number <= bound),
    "exclusiveMaximum": ("less than", lambda number, bound: number < bound),
}


def _check_bounds(bounds: Mapping[str, Any], number: Decimal) -> None:
    """Check bounds exactly: the schema of a decimal number has none for text.

    Raises:
        EntryError: The number is out of bounds.
    """
    for keyword, (words, is_within) in _BOUNDS.items():
        bound = bounds.get(keyword)
        if bound is not None and not is_within(number, Decimal(str(bound))):
            msg = f"enter {words} {to_text(bound)}"
            raise EntryError(msg)
    step = bounds.get("multipleOf")
    if step and _has_remainder(number, Decimal(str(step))):
        msg = f"enter a multiple of {to_text(step)}"
        raise EntryError(msg)


def _has_remainder(number: Decimal, step: Decimal) -> bool:
    # `%` of Decimal fails if the quotient is longer than the context's precision.
    top, bottom = number.as_integer_ratio()
    of, by = step.as_integer_ratio()
    return (top * by) % (bottom * of) != 0


def _read_json(text: str) -> str:
    try:
        from_json(text.encode("utf-8", "replace"), allow_inf_nan=False)
    except ValueError as exc:
        msg = f"this is not JSON: {exc}"
        raise EntryError(msg) from None
    if has_infinite_number(text.encode("utf-8", "replace")):
        raise EntryError(OUT_OF_RANGE)
    return text


def _with_seconds(text: str) -> str:
    return _SECONDS.sub(":00", text, count=1)


def _with_offset(text: str) -> str:
    text = _with_seconds(text)
    return text if re.search(r"(Z|[+-]\d\d:\d\d)$", text) else f"{text}Z"


_TO_JSON: Final[Mapping[Control, Callable[[str], str]]] = {
    Control.DATE_TIME: _with_offset,
    Control.LOCAL_DATE_TIME: _with_seconds,
    Control.TIME: _with_offset,
    Control.LOCAL_TIME: _with_seconds,
}


def _to_utc(text: str) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return text
    return _shorten((at if at.tzinfo is None else at.astimezone(UTC)).replace(tzinfo=None))


def _to_utc_time(text: str) -> str:
    try:
        at = time.fromisoformat(text)
    except ValueError:
        return text
    ahead = at.utcoffset() or timedelta()
    moved = datetime.combine(datetime(2000, 1, 2, tzinfo=UTC), at.replace(tzinfo=UTC)) - ahead
    return _shorten(moved.time())


def _shorten(at: datetime | time) -> str:
    """Return a time as browsers write it: to the millisecond, and without zeros at its end.

    A control whose text the browser rewrites would look as if a person had changed it, and one with
    microseconds would be empty.
    """
    return at.isoformat(timespec="milliseconds").rstrip("0").rstrip(".").removesuffix(":00")


_TO_TYPED: Final[Mapping[Control, Callable[[str], str]]] = {
    Control.DATE_TIME: _to_utc,
    Control.LOCAL_DATE_TIME: _to_utc,
    Control.TIME: _to_utc_time,
    Control.LOCAL_TIME: _to_utc_time,
}
