"""Statements of asking and answering."""

from typing import Final

from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ringback.ports.store import EVIDENCE_KEPT
from ringback.store.bulk_params import INSERTS, any_of
from ringback.store.queries import CALLBACKS, IS_OPEN
from ringback.store.tables import Instant, callbacks, events, schemas, tags

_of_activities = any_of(callbacks.c.activity_key, "keys")

#: All rounds of the activities; nobody else asks for these activities until the commit.
LOCK_ROUNDS: Final = (
    select(callbacks.c.id)
    .where(_of_activities)
    .order_by(callbacks.c.id)
    .with_for_update(key_share=True)
)

#: All rounds of the activities, oldest first.
ROUNDS: Final = CALLBACKS.where(_of_activities).order_by(callbacks.c.generation)

MADE: Final = select(callbacks.c.id).where(any_of(callbacks.c.id, "ids"))

#: A later attempt asks the same question.
ASK_AGAIN: Final = (
    update(callbacks)
    .where(
        callbacks.c.id == bindparam("callback_id"),
        callbacks.c.attempt_started_at < bindparam("attempt_started_at_", type_=Instant),
    )
    .values(
        run_id=bindparam("run_id_"),
        attempt=bindparam("attempt_"),
        attempt_started_at=bindparam("attempt_started_at_", type_=Instant),
        task_token=bindparam("task_token_"),
        attempt_timeout_at=bindparam("attempt_timeout_at_"),
        default_due_at=bindparam("default_due_at_"),
        heartbeat=bindparam("heartbeat_"),
        heartbeat_timeout=bindparam("heartbeat_timeout_"),
        details=None,
        heartbeat_sent_at=None,
        heartbeat_due_at=bindparam("heartbeat_due_at_"),
        # What was claimed, or told, was of the attempt before.
        heartbeat_held_until=None,
        poll_due_at=bindparam("poll_due_at_"),
        poll_held_until=None,
        reset_at=None,
    )
)

SCHEMAS: Final = select(schemas).where(any_of(schemas.c.id, "ids"))

#: Mark those that were not known to be submitted; they are returned.
SUBMITTED: Final = (
    update(callbacks)
    .where(any_of(callbacks.c.id, "ids"), callbacks.c.submitted_at.is_(None))
    .values(submitted_at=bindparam("now", type_=Instant))
    .returning(callbacks.c.id)
)

#: Which of the callbacks were neither answered nor closed, and which attempt asked last.
UNANSWERED: Final = select(callbacks.c.id, callbacks.c.attempt_started_at).where(
    any_of(callbacks.c.id, "ids"), IS_OPEN
)

EXPIRE: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"), IS_OPEN)
    .values(closed_at=bindparam("now"), expired_because=bindparam("reason"), default_due_at=None)
)

_kept = (
    select(func.count())
    .select_from(events)
    .where(events.c.callback_id == bindparam("callback_id"), events.c.kind == bindparam("kind"))
    .scalar_subquery()
)

_event_columns = ["callback_id", "at", "kind", "facts"]

#: Evidence is kept while there is not too much of it.
KEEP_EVIDENCE: Final = insert(events).from_select(
    _event_columns,
    select(*(bindparam(name, type_=events.c[name].type) for name in _event_columns)).where(
        _kept < EVIDENCE_KEPT
    ),
)


def _ignoring(
    statement: sqlite.Insert | postgresql.Insert, *columns: str
) -> sqlite.Insert | postgresql.Insert:
    return statement.on_conflict_do_nothing(index_elements=columns)


#: Make a callback, unless another worker made it first.
MAKE: Final = {
    dialect: _ignoring(insert_into(callbacks), "activity_key", "generation")
    for dialect, insert_into in INSERTS.items()
}

TAG: Final = insert(tags)

#: Keep a schema, unless it is there.
KEEP_SCHEMA: Final = {
    dialect: _ignoring(insert_into(schemas), "id") for dialect, insert_into in INSERTS.items()
}
