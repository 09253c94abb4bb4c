"""Statements of telling the outside."""

from typing import Final

from sqlalchemy import ColumnElement, String, bindparam, func, not_, select, update

from ringback.ports.webhook_outbox import MOST_ORIGINS
from ringback.store.bulk_params import any_of
from ringback.store.tables import Instant, webhooks
from ringback.store.webhook_rows import CLAIMED

_is_waiting = webhooks.c.ended_at.is_(None)

#: The parameters for the origins that a claim leaves alone.
ORIGINS: Final = tuple(f"origin_{number}" for number in range(MOST_ORIGINS))


def _goes_to(name: str) -> ColumnElement[bool]:
    origin = bindparam(name, type_=String)
    return func.substr(webhooks.c.url + "/", 1, func.length(origin)) == origin


#: What is due and held by nobody else, held until the commit.
_due = (
    select(webhooks.c.id)
    .where(
        _is_waiting,
        webhooks.c.due_at <= bindparam("now", type_=Instant),
        *(not_(_goes_to(name)) for name in ORIGINS),
    )
    .order_by(webhooks.c.due_at, webhooks.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)

CLAIM: Final = (
    update(webhooks)
    .where(webhooks.c.id == _due.c.id)
    .values(due_at=bindparam("until", type_=Instant), tries=webhooks.c.tries + 1)
    .returning(*CLAIMED)
)

#: Those of the notices that wait; held until the commit.
WAITING: Final = (
    select(*CLAIMED, webhooks.c.last_error)
    .where(any_of(webhooks.c.id, "ids"), _is_waiting)
    .order_by(webhooks.c.id)
    .with_for_update()
)

END: Final = (
    update(webhooks)
    .where(webhooks.c.id == bindparam("webhook_id"), _is_waiting)
    .values(ended_at=bindparam("now", type_=Instant), last_error=bindparam("why"))
)

POSTPONE: Final = (
    update(webhooks)
    .where(webhooks.c.id == bindparam("webhook_id"), _is_waiting)
    .where(webhooks.c.tries == bindparam("tries_"))
    .values(due_at=bindparam("due", type_=Instant), last_error=bindparam("why"))
)

NEXT_DUE: Final = select(func.min(webhooks.c.due_at)).where(_is_waiting)
