"""What the controls of a form show for a value."""

from collections.abc import Iterator, Mapping
from typing import Any

from ringback.domain.exact_json import escape_step
from ringback.gateway.pages.form_input import to_typed
from ringback.gateway.pages.form_model import (
    MISSING,
    Choice,
    Constant,
    Control,
    Field,
    Group,
    Input,
    Missing,
    Rows,
    Union,
)
from ringback.gateway.pages.form_rows import PLACES, format_places


def fill(one: Field, name: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    """Yield name, text and value of each control of a field that has `value`, or its default.

    Only inputs have values.
    """
    if value is MISSING:
        value = one.default
    match one:
        case Input() if value is not MISSING and value is not None:
            yield name, to_typed(one, value), value
        case Choice():
            chosen = (
                number for number in range(len(one.options)) if _is_chosen(one, number, value)
            )
            yield from ((name, str(number), MISSING) for number in chosen)
        case Group():
            members = value if isinstance(value, Mapping) else {}
            for key, member in one.members.items():
                yield from fill(member, f"{name}/{escape_step(key)}", members.get(key, MISSING))
        case Rows():
            yield from _fill_rows(one, name, value)
        case Union():
            yield from _fill_union(one, name, value)


def _fill_rows(one: Rows, name: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    items = value[: one.most] if isinstance(value, list) else [MISSING] * one.least
    yield f"{name}~rows", str(len(items)), MISSING
    yield f"{name}{PLACES}", format_places(len(items)), MISSING
    for row, item in enumerate(items):
        yield from fill(one.item, f"{name}/{row}", item)


def _fill_union(one: Union, name: str, value: Any) -> Iterator[tuple[str, str, Any]]:
    chosen = find_branch(one, value)
    if chosen is not None:
        yield f"{name}~choice", str(chosen), MISSING
    for number, branch in enumerate(one.branches):
        yield from fill(branch, f"{name}~b{number}", value if number == chosen else MISSING)


def find_branch(one: Union, value: Any) -> int | None:
    """Return the number of the first branch that can have `value`; `None` if none can."""
    fitting = [_fits(branch, value) and value is not MISSING for branch in one.branches]
    return fitting.index(True) if True in fitting else None


def _fits(one: Field, value: Any) -> bool:
    """Return whether a field can have `value`."""
    match one:
        case Constant(value=only):
            return _is_same(only, value)
        case Input():
            return _is_typed(one, value)
        case Choice(is_many=True):
            return isinstance(value, list) and all(_has_option(one, each) for each in value)
        case Choice():
            return _has_option(one, value)
        case Group():
            return isinstance(value, Mapping) and all(
                _fits(member, value[key]) if key in value else not member.is_required
                for key, member in one.members.items()
            )
        case Rows():
            return isinstance(value, list) and all(_fits(one.item, each) for each in value)
        case Union():
            return any(_fits(branch, value) for branch in one.branches)
        case _:
            return False


def _is_typed(one: Input, value: Any) -> bool:
    if one.control is Control.JSON or (value is None and one.is_nullable):
        return True
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match one.control:
        case Control.INTEGER | Control.NUMBER:
            return is_number
        case Control.DECIMAL:
            return is_number or isinstance(value, str)
        case _:
            return isinstance(value, str)


def _is_chosen(one: Choice, number: int, value: Any) -> bool:
    values = value if one.is_many and isinstance(value, list) else [value]
    option = one.options[number]
    return value is not MISSING and any(_is_same(option.value, each) for each in values)


def _has_option(one: Choice, value: Any) -> bool:
    return any(_is_same(option.value, value) for option in one.options)


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, Missing) or isinstance(other, Missing):
        return one is other
    return type(one) is type(other) and bool(one == other)
