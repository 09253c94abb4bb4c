"""Statements that several parts of the store use: to find, to lock, to tell."""

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import Column, ColumnElement, exists, insert, null, select
from sqlalchemy.dialects import postgresql, sqlite

from ringback.store.rows import OUTCOME_COLUMNS
from ringback.store.statements.among import among
from ringback.store.tables import callbacks, events, outcomes

INSERTS: Final[dict[str, Callable[..., sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
"""Both dialects know `ON CONFLICT DO NOTHING`, each under its own `insert`."""

#: A callback with its outcome, if it has one.
CALLBACKS: Final = select(callbacks, *OUTCOME_COLUMNS).outerjoin_from(callbacks, outcomes)

#: What may be large, and may be secret: no list shows it.
_UNLISTED: Final = frozenset({"task_token", "on_deadline_body", "details", "body"})


def _listed(column: Column[Any]) -> ColumnElement[Any]:
    return null().label(column.name) if column.name in _UNLISTED else column


#: What a list shows of a callback and its outcome, in the same columns.
LISTED: Final = [_listed(column) for column in [*callbacks.c, *OUTCOME_COLUMNS]]

FIND: Final = CALLBACKS.where(among(callbacks.c.id, "ids"))

HAS_OUTCOME: Final = exists().where(outcomes.c.callback_id == callbacks.c.id).correlate(callbacks)

#: Neither answered nor closed.
IS_OPEN: Final = callbacks.c.closed_at.is_(None) & ~HAS_OUTCOME

#: Nobody else decides on these callbacks until the commit; the audit trail may still point at them.
LOCK: Final = (
    select(callbacks.c.id)
    .where(among(callbacks.c.id, "ids"))
    .order_by(callbacks.c.id)
    .with_for_update(key_share=True)
)

RECORD: Final = insert(events)
