"""Times of a form without a zone, where the values that it shows have none."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, time
from typing import Any, Final

from ringback.gateway.pages.form_fill import find_branch
from ringback.gateway.pages.form_model import (
    MISSING,
    Control,
    Field,
    Group,
    Input,
    Rows,
    Union,
    describe_bounds,
)

_LOCAL: Final = {
    Control.DATE_TIME: Control.LOCAL_DATE_TIME,
    Control.TIME: Control.LOCAL_TIME,
}


def set_zones(one: Field, values: Sequence[Any]) -> Field:
    """Return a field whose times have no zone if none of its values has an offset.

    `values` has one value for each place of the field, or `MISSING` for its default. The rows of a
    list share one field: their times are in UTC if one of them has an offset.
    """
    values = [one.default if value is MISSING else value for value in values]
    match one:
        case Input(control=control) if one.offset_is_optional and control in _LOCAL:
            texts = [value for value in values if isinstance(value, str)]
            if texts and not any(map(_may_have_offset, texts)):
                local = _LOCAL[control]
                return replace(one, control=local, hint=describe_bounds(local, one.bounds))
        case Group():
            members = {
                key: set_zones(member, [_member(value, key) for value in values])
                for key, member in one.members.items()
            }
            return replace(one, members=members)
        case Rows():
            items = [item for value in values if isinstance(value, list) for item in value]
            return replace(one, item=set_zones(one.item, items))
        case Union():
            chosen = [(find_branch(one, value), value) for value in values]
            branches = (
                set_zones(branch, [value for place, value in chosen if place == number])
                for number, branch in enumerate(one.branches)
            )
            return replace(one, branches=tuple(branches))
    return one


def _member(value: Any, key: str) -> Any:
    return value.get(key, MISSING) if isinstance(value, Mapping) else MISSING


def _may_have_offset(text: str) -> bool:
    for read in (datetime.fromisoformat, time.fromisoformat):
        try:
            return read(text).tzinfo is not None
        except ValueError:
            continue
    return True
