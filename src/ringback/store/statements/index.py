"""Statements of looking."""

from typing import Final

from sqlalchemy import Text, bindparam, case, literal_column, select

from ringback.store.statements.deadlines import DEADLINE_AT, HAS_PASSED
from ringback.store.statements.lookup import CALLBACKS, IS_OPEN
from ringback.store.tables import callbacks, events, outcomes

_state = case(
    (outcomes.c.state.is_not(None), outcomes.c.state),
    (callbacks.c.expired_because.is_not(None), literal_column("'expired'", Text)),
    else_=literal_column("'open'", Text),
)

#: Callbacks by state, a page at a time.
PAGE: Final = (
    CALLBACKS
    .where(_state.in_(bindparam("states", expanding=True)), callbacks.c.id > bindparam("after"))
    .order_by(callbacks.c.id)
    .limit(bindparam("limit"))
)

#: The same, where none of the states is an end: few, however many have ended.
PAGE_NOT_CLOSED: Final = PAGE.where(callbacks.c.closed_at.is_(None))

OVERDUE: Final = (
    CALLBACKS
    .where(IS_OPEN, HAS_PASSED)
    .order_by(DEADLINE_AT, callbacks.c.id)
    .limit(bindparam("limit"))
)

EVENTS: Final = (
    select(events).where(events.c.callback_id == bindparam("callback_id")).order_by(events.c.id)
)
