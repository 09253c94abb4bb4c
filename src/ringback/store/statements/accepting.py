"""Statements of accepting: each takes all the answers of a commit at once, or tells of all."""

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeAlias

from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    DateTime,
    Insert,
    LargeBinary,
    Select,
    Text,
    bindparam,
    exists,
    func,
    literal,
    select,
    update,
)

from ringback.domain.callback import State
from ringback.domain.outcome import KINDS, body_of, to_fields
from ringback.ports.store import Answer
from ringback.store.statements.among import among
from ringback.store.statements.given import Given
from ringback.store.statements.lookup import HAS_OUTCOME, INSERTS
from ringback.store.tables import Instant, callbacks, events, outcomes

_Function: TypeAlias = Callable[..., ColumnElement[Any]]

_ANSWERS: Final = Given(
    "answers",
    {
        "callback_id": Text(),
        "outcome_id": Text(),
        "kind": Text(),
        "body": LargeBinary(),
        "fields": outcomes.c.fields.type,
    },
)
"""What answers differ in; the rest of a row is the same for all of a commit."""


def given(dialect: str, answers: Sequence[Answer]) -> dict[str, object]:
    """Return answers, of which there must be one, as `ACCEPT` takes them."""
    return _ANSWERS.values(dialect, map(_as_row, answers))


def _as_row(answer: Answer) -> tuple[str, str, str, bytes | None, str]:
    outcome = answer.outcome
    fields = to_fields(outcome)
    told = json.dumps(fields) if fields else "{}"
    return answer.callback_id, answer.id, KINDS[type(outcome)], body_of(outcome), told


def _accept(dialect: str) -> Insert:
    answers = _ANSWERS.rows(dialect)
    now = bindparam("now", type_=Instant)
    row = {
        **dict(answers.c.items()),
        "accepted_at": now,
        "is_default": bindparam("is_default", type_=Boolean),
        "state": literal(State.ACCEPTED.value),
        "due_at": now,
        "tries": literal(0),
        "after_event": select(func.coalesce(func.max(events.c.id), 0)).scalar_subquery(),
    }
    may_be_answered = exists().where(
        callbacks.c.id == answers.c.callback_id, callbacks.c.expired_because.is_(None)
    )
    values = select(*(value.label(name) for name, value in row.items())).where(may_be_answered)
    into = INSERTS[dialect](outcomes).from_select(list(row), values)
    return into.on_conflict_do_nothing(index_elements=["callback_id"])


def _hold() -> Select[datetime]:
    # In the order of ids: two that hold the same ones never cross.
    ordered = select(callbacks.c.id).where(among(callbacks.c.id, "ids")).order_by(callbacks.c.id)
    held = ordered.with_for_update(key_share=True).subquery("held")
    all_held = select(func.count()).select_from(held).subquery("all_held")
    return select(func.clock_timestamp(type_=DateTime(timezone=True))).select_from(all_held)


#: Let nobody else decide on the callbacks until the commit, and tell when all of them were held.
HOLD: Final = _hold()

#: Keep each outcome that is the first, if its callback exists and has not expired.
ACCEPT: Final = {dialect: _accept(dialect) for dialect in INSERTS}

#: Which outcome each of the callbacks has: what this call brought, or what was there before.
HELD: Final = select(outcomes.c.outcome_id).where(among(outcomes.c.callback_id, "ids"))

#: Who has an outcome is not waiting for a default one.
HAS_NO_DEFAULT: Final = (
    update(callbacks)
    .where(among(callbacks.c.id, "ids"), callbacks.c.default_due_at.is_not(None))
    .values(default_due_at=None)
)

#: Whether there is more to do once there is an outcome: few have a default answer, or are told.
_HAS_MORE_TO_DO: Final = (
    callbacks.c.default_due_at.is_not(None)
    | callbacks.c.cancel_url.is_not(None)
    | callbacks.c.notify_url.is_not(None)
)

_TERMS: Final[Sequence[ColumnElement[Any]]] = (
    callbacks.c.id,
    callbacks.c.namespace,
    callbacks.c.workflow_id,
    callbacks.c.run_id,
    callbacks.c.activity_id,
    callbacks.c.scheduled_at,
    callbacks.c.workflow_type,
    callbacks.c.activity_type,
    callbacks.c.task_queue,
    callbacks.c.schema_id,
    callbacks.c.link_serial,
    callbacks.c.expired_because.is_(None) & ~HAS_OUTCOME,
    _HAS_MORE_TO_DO,
)
"""See `ringback.domain.terms.Terms`; and last, whether there is more to do."""


def _terms(all_of: _Function, one: _Function) -> Select[Any]:
    return select(all_of(one(*_TERMS), type_=JSON)).where(among(callbacks.c.id, "ids"))


#: What an answer to each of the callbacks is held to, as one value; there may be none.
TERMS: Final = {
    "sqlite": _terms(func.json_group_array, func.json_array),
    "postgresql": _terms(func.json_agg, func.json_build_array),
}
