"""The statement that accepts all the answers of a commit at once."""

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
from ringback.store.bulk_params import INSERTS, BulkRows, any_of
from ringback.store.tables import Instant, callbacks, events, outcomes

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
"""The values that differ from one answer to the next; the rest of a row is the same for all."""


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
    told = json.dumps(fields) if fields else "{}"
    kind, body = KINDS[type(outcome)], to_body(outcome)
    return answer.callback_id, answer.id, kind, body, told, answer.link_serial


#: Whether there is more to do once there is an outcome: few have a default answer, or are told.
_HAS_MORE_TO_DO: Final = (
    callbacks.c.default_due_at.is_not(None)
    | callbacks.c.cancel_url.is_not(None)
    | callbacks.c.notify_url.is_not(None)
)


def _takes(callback: FromClause, answers: FromClause) -> ColumnElement[bool]:
    """Return whether a callback takes the answer beside it: it is open, and the link is good."""
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
    after_event: ColumnElement[Any],
    taken: Select[Any],
) -> sqlite.Insert | postgresql.Insert:
    """Store each of `answers` that is the first for its callback, if it is among the `taken`."""
    row = {
        **{name: column for name, column in answers.c.items() if name in outcomes.c},
        "accepted_at": now,
        "is_default": bindparam("is_default", type_=Boolean),
        "state": literal(State.ACCEPTED.value),
        "due_at": now,
        "tries": literal(0),
        "after_event": after_event,
    }
    values = taken.with_only_columns(*(value.label(name) for name, value in row.items()))
    into = INSERTS[dialect](outcomes).from_select(list(row), values)
    return into.on_conflict_do_nothing(index_elements=["callback_id"])


def _insert_on_sqlite() -> Insert:
    answers = _ANSWERS.rows("sqlite")
    newest = select(func.coalesce(func.max(events.c.id), 0)).scalar_subquery()
    return _insert(
        "sqlite",
        answers,
        now=bindparam("now", type_=Instant),
        after_event=newest,
        taken=select(answers).where(exists().where(_takes(callbacks, answers))),
    )


def _accept_on_sqlite() -> Select[Any]:
    stored = func.json_array(outcomes.c.outcome_id, outcomes.c.accepted_at, _HAS_MORE_TO_DO)
    return (
        select(func.json_group_array(stored, type_=JSON))
        .join_from(outcomes, callbacks)
        .where(any_of(outcomes.c.callback_id, "ids"), any_of(outcomes.c.outcome_id, "outcome_ids"))
    )


_NOW: Final = cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
"""The time of a PostgreSQL server, as `Instant` keeps it."""


def _held() -> Select[Any]:
    # In the order of ids: two that hold the same ones never cross.
    ordered = select(callbacks).where(any_of(callbacks.c.id, "ids")).order_by(callbacks.c.id)
    return ordered.with_for_update(key_share=True)


def _accept_on_postgresql() -> Select[Any]:
    has_more_to_do = _HAS_MORE_TO_DO.label("has_more_to_do")
    columns = (callbacks.c.id, callbacks.c.expired_because, callbacks.c.link_serial)
    held = _held().with_only_columns(*columns, has_more_to_do).cte("held")
    # Counted, so that all of them are held before the time is read, and the newest event: another
    # transaction that had held one may have recorded events that this statement's snapshot lacks.
    all_held = select(func.count()).select_from(held).subquery("all_held")
    newest = func.pg_sequence_last_value(
        cast(func.pg_get_serial_sequence(events.name, events.c.id.name), REGCLASS)
    )
    moment = (
        select(
            func.coalesce(bindparam("now", type_=Instant), _NOW).label("now"),
            func.coalesce(newest, 0).label("after_event"),
        )
        .select_from(all_held)
        .cte("moment")
    )
    answers = _ANSWERS.rows("postgresql")
    takes = _takes(held, answers) & or_(
        bindparam("in_transaction", type_=Boolean), held.c.has_more_to_do.is_(False)
    )
    stored = (
        _insert(
            "postgresql",
            answers,
            now=moment.c.now,
            after_event=moment.c.after_event,
            taken=select(answers).join(held, takes).join(moment, true()),
        )
        .returning(outcomes.c.callback_id, outcomes.c.outcome_id, outcomes.c.accepted_at)
        .cte("stored")
    )
    told = func.json_build_array(stored.c.outcome_id, stored.c.accepted_at, held.c.has_more_to_do)
    return select(func.json_agg(told, type_=JSON)).outerjoin_from(
        held, stored, stored.c.callback_id == held.c.id
    )


def _hold() -> Select[datetime]:
    held = _held().with_only_columns(callbacks.c.id).subquery("held")
    all_held = select(func.count()).select_from(held).subquery("all_held")
    return select(func.clock_timestamp(type_=DateTime(timezone=True))).select_from(all_held)


#: Let nobody else decide on the callbacks until the commit, and tell when all of them were held.
HOLD: Final = _hold()

#: What comes before `ACCEPT` where that cannot write: SQLite would return row by row what it
#: inserts, and other threads run in between.
INSERT: Final = {"sqlite": _insert_on_sqlite()}

#: Store each answer that is the first, if its callback takes it. Return what was stored, as one
#: value: the outcome's id, when it was accepted, and whether there is more to do. PostgreSQL also
#: returns the callbacks without a stored answer, with an id of null. Unless it runs
#: `in_transaction`, it leaves out those with more to do, which takes further statements.
ACCEPT: Final = {"sqlite": _accept_on_sqlite(), "postgresql": _accept_on_postgresql()}
