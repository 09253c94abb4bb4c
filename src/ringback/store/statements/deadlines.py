"""Statements of keeping deadlines."""

from typing import Final

from sqlalchemy import ColumnElement, bindparam, case, func, select, update

from ringback.store.bulk_params import any_of
from ringback.store.queries import CALLBACKS, IS_OPEN
from ringback.store.tables import Instant, callbacks

#: The earlier of the two, where there are two.
DEADLINE_AT: Final[ColumnElement[object]] = case(
    (callbacks.c.attempt_timeout_at.is_(None), callbacks.c.own_deadline_at),
    (callbacks.c.own_deadline_at < callbacks.c.attempt_timeout_at, callbacks.c.own_deadline_at),
    else_=callbacks.c.attempt_timeout_at,
)

HAS_PASSED: Final[ColumnElement[bool]] = bindparam("now", type_=Instant) >= DEADLINE_AT

SET_DEADLINE: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"), IS_OPEN)
    .values(
        attempt_timeout_at=bindparam("attempt_timeout_at_"),
        own_deadline_at=bindparam("own_deadline_at_"),
        default_due_at=bindparam("default_due_at_"),
    )
)

#: Only what is open has a due time: an answer and an end empty it.
_awaits_default: ColumnElement[bool] = callbacks.c.closed_at.is_(
    None
) & callbacks.c.default_due_at.is_not(None)

DUE_DEFAULTS: Final = (
    CALLBACKS
    .where(_awaits_default, callbacks.c.default_due_at <= bindparam("now", type_=Instant))
    .order_by(callbacks.c.default_due_at, callbacks.c.id)
    .limit(bindparam("limit"))
)

#: What is due becomes due later; what the deadline says stays as it is.
POSTPONE: Final = (
    update(callbacks)
    .where(
        any_of(callbacks.c.id, "ids"),
        _awaits_default,
        callbacks.c.default_due_at <= bindparam("now", type_=Instant),
    )
    .values(default_due_at=bindparam("until", type_=Instant))
)

NEXT_DEFAULT: Final = select(func.min(callbacks.c.default_due_at)).where(_awaits_default)

ARE_OVERDUE: Final = select(callbacks.c.id).where(any_of(callbacks.c.id, "ids"), HAS_PASSED)
