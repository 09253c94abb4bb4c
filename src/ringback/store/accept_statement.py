"""The statement that accepts all answers of a commit."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    FromClause,
    Insert,
    Integer,
    LargeBinary,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    exists,
    extract,
    func,
    literal,
    or_,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import REGCLASS

from ringback.domain.callback import State
from ringback.domain.outcome import KINDS, to_body, to_fields
from ringback.ports.store import Answer
from ringback.store.bulk_params import INSERTS, BulkRows, Instant, any_of
from ringback.store.queries import IS_WATCHED
from ringback.store.tables import audit_trail, callbacks, outcomes

_ANSWERS: Final = BulkRows(
    "answers",
    {
        "callback_id": Text(),
        "outcome_id": Text(),
        "kind": Text(),
        "body": LargeBinary(),
        "fields": outcomes.c.fields.type,
        "link_serial": Integer(),
    },
)
"""The values that differ between answers; the other columns of a row are the same for all."""


def bulk_values(dialect: str, answers: Sequence[Answer]) -> dict[str, object]:
    """Return answers, at least one, as parameters of `INSERT` and `ACCEPT`."""
    return {
        **_ANSWERS.values(dialect, map(_as_row, answers)),
        "ids": [answer.callback_id for answer in answers],
        "outcome_ids": [answer.id for answer in answers],
    }


def _as_row(answer: Answer) -> tuple[str, str, str, bytes | None, str, int | None]:
    outcome = answer.outcome
    fields = to_fields(outcome)
    encoded = json.dumps(fields) if fields else "{}"
    kind, body = KINDS[type(outcome)], to_body(outcome)
    return answer.callback_id, answer.id, kind, body, encoded, answer.link_serial


_HAS_POLICY: Final = callbacks.c.policy.is_not(None)

#: Whether an outcome takes further statements: the callback has a default answer, polls of the
#: sender or people rules, or notifies people or programs.
_HAS_MORE_TO_DO: Final = (
    callbacks.c.default_due_at.is_not(None)
    | callbacks.c.sender_poll_due_at.is_not(None)
    | IS_WATCHED
    | _HAS_POLICY
)


def _accepts(callback: FromClause, answers: FromClause) -> ColumnElement[bool]:
    """Return the condition that a callback accepts an answer: it is open, the link not revoked."""
    serial = func.coalesce(answers.c.link_serial, callback.c.link_serial)
    return and_(
        callback.c.id == answers.c.callback_id,
        callback.c.expired_because.is_(None),
        callback.c.link_serial == serial,
    )


def _insert(
    dialect: str,
    answers: FromClause,
    *,
    now: ColumnElement[Any],
    after_entry: ColumnElement[Any],
    accepted: Select[Any],
) -> sqlite.Insert | postgresql.Insert:
    """Insert the `accepted` rows of `answers` whose callback has no outcome."""
    row = {
        **{name: column for name, column in answers.c.items() if name in outcomes.c},
        "accepted_at": now,
        "is_default": bindparam("is_default", type_=Boolean),
        "state": literal(State.ACCEPTED.value),
        "due_at": now,
        "tries": literal(0),
        "after_entry": after_entry,
    }
    values = accepted.with_only_columns(*(value.label(name) for name, value in row.items()))
    into = INSERTS[dialect](outcomes).from_select(list(row), values)
    return into.on_conflict_do_nothing(index_elements=["callback_id"])


def _insert_on_sqlite() -> Insert:
    answers = _ANSWERS.rows("sqlite")
    newest = select(func.coalesce(func.max(audit_trail.c.id), 0)).scalar_subquery()
    return _insert(
        "sqlite",
        answers,
        now=bindparam("now", type_=Instant),
        after_entry=newest,
        accepted=select(answers).where(exists().where(_accepts(callbacks, answers))),
    )


def _accept_on_sqlite() -> Select[Any]:
    stored = func.json_array(
        outcomes.c.outcome_id, outcomes.c.accepted_at, _HAS_MORE_TO_DO, _HAS_POLICY
    )
    return (
        select(func.json_group_array(stored, type_=JSON))
        .join_from(outcomes, callbacks)
        .where(any_of(outcomes.c.callback_id, "ids"), any_of(outcomes.c.outcome_id, "outcome_ids"))
    )


_NOW: Final = cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
"""The time of a PostgreSQL server, as an `Instant` stores it."""


def _lock() -> Select[Any]:
    # In the order of ids, so that two transactions never deadlock.
    ordered = select(callbacks).where(any_of(callbacks.c.id, "ids")).order_by(callbacks.c.id)
    return ordered.with_for_update(key_share=True)


def _accept_on_postgresql() -> Select[Any]:
    has_more_to_do = _HAS_MORE_TO_DO.label("has_more_to_do")
    has_policy = _HAS_POLICY.label("has_policy")
    columns = (callbacks.c.id, callbacks.c.expired_because, callbacks.c.link_serial, has_policy)
    locked = _lock().with_only_columns(*columns, has_more_to_do).cte("locked")
    # The count makes the statement lock all rows before it reads the time and the newest entry:
    # a transaction that it waited for may have recorded entries that its snapshot lacks.
    all_locked = select(func.count()).select_from(locked).subquery("all_locked")
    newest = func.pg_sequence_last_value(
        cast(func.pg_get_serial_sequence(audit_trail.name, audit_trail.c.id.name), REGCLASS)
    )
    moment = (
        select(
            func.coalesce(bindparam("now", type_=Instant), _NOW).label("now"),
            func.coalesce(newest, 0).label("after_entry"),
        )
        .select_from(all_locked)
        .cte("moment")
    )
    answers = _ANSWERS.rows("postgresql")
    accepts = _accepts(locked, answers) & or_(
        bindparam("in_transaction", type_=Boolean), locked.c.has_more_to_do.is_(False)
    )
    stored = (
        _insert(
            "postgresql",
            answers,
            now=moment.c.now,
            after_entry=moment.c.after_entry,
            accepted=select(answers).join(locked, accepts).join(moment, true()),
        )
        .returning(outcomes.c.callback_id, outcomes.c.outcome_id, outcomes.c.accepted_at)
        .cte("stored")
    )
    row = func.json_build_array(
        stored.c.outcome_id, stored.c.accepted_at, locked.c.has_more_to_do, locked.c.has_policy
    )
    return select(func.json_agg(row, type_=JSON)).outerjoin_from(
        locked, stored, stored.c.callback_id == locked.c.id
    )


def _lock_now() -> Select[datetime]:
    locked = _lock().with_only_columns(callbacks.c.id).subquery("locked")
    all_locked = select(func.count()).select_from(locked).subquery("all_locked")
    return select(func.clock_timestamp(type_=DateTime(timezone=True))).select_from(all_locked)


#: Lock the callbacks until the commit, and return the time at which all were locked.
LOCK_NOW: Final = _lock_now()

#: Runs before `ACCEPT` on SQLite, which would return inserted rows one by one; other threads would
#: run between two rows.
INSERT: Final = {"sqlite": _insert_on_sqlite()}

#: Store the first answer to each callback that accepts it. Return one value for each stored answer:
#: the outcome's id, when it was accepted, whether it takes further statements, and whether the
#: callback has people rules. PostgreSQL also returns the callbacks without a stored answer, with an
#: id of null; unless it runs `in_transaction`, it leaves out answers that take further statements.
ACCEPT: Final = {"sqlite": _accept_on_sqlite(), "postgresql": _accept_on_postgresql()}
