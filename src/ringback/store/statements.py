"""The statements, each built once and named for what it does. The guard is in the statement."""

from collections.abc import Callable
from typing import Final

from sqlalchemy import Text, bindparam, case, exists, func, insert, literal_column, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ringback.domain.callback import State
from ringback.ports.store import EVIDENCE_KEPT
from ringback.store.tables import Instant, callbacks, events, outcomes

_INSERTS: Final[dict[str, Callable[..., sqlite.Insert | postgresql.Insert]]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}
"""Both dialects know `ON CONFLICT DO NOTHING`, each under its own `insert`."""

_outcome_columns = [column for column in outcomes.c if column.name != "callback_id"]

#: A callback with its outcome, if it has one.
CALLBACKS: Final = select(callbacks, *_outcome_columns).outerjoin_from(callbacks, outcomes)

FIND: Final = CALLBACKS.where(callbacks.c.id.in_(bindparam("ids", expanding=True)))

#: All rounds of the activities, oldest first.
ROUNDS: Final = CALLBACKS.where(
    callbacks.c.activity_key.in_(bindparam("keys", expanding=True))
).order_by(callbacks.c.round)

#: A later attempt asks the same question.
ASK_AGAIN: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"), callbacks.c.attempt < bindparam("attempt_"))
    .values(attempt=bindparam("attempt_"), deadline_at=bindparam("deadline_at_"))
)

#: Which of the callbacks were not known to be submitted; held until the commit.
NOT_SUBMITTED: Final = (
    select(callbacks.c.id)
    .where(callbacks.c.id.in_(bindparam("ids", expanding=True)), callbacks.c.submitted_at.is_(None))
    .with_for_update()
)

SUBMITTED: Final = (
    update(callbacks)
    .where(callbacks.c.id.in_(bindparam("ids", expanding=True)))
    .values(submitted_at=bindparam("now", type_=Instant))
)

#: Which of the callbacks have the outcome that this call brought.
WINNERS: Final = select(outcomes.c.callback_id, outcomes.c.outcome_id).where(
    outcomes.c.callback_id.in_(bindparam("ids", expanding=True))
)

_is_accepted = outcomes.c.state == State.ACCEPTED.value

#: Which of the callbacks have an outcome that waits for its verdict; held until the commit.
UNSETTLED: Final = (
    select(outcomes.c.callback_id)
    .where(outcomes.c.callback_id.in_(bindparam("ids", expanding=True)), _is_accepted)
    .with_for_update()
)

SETTLE: Final = (
    update(outcomes)
    .where(outcomes.c.callback_id == bindparam("id"), _is_accepted)
    .values(
        state=bindparam("verdict"),
        verdict_at=bindparam("now", type_=Instant),
        proof=bindparam("proof_", type_=outcomes.c.proof.type),
        claimed_by=None,
    )
)

CLOSE: Final = (
    update(callbacks)
    .where(callbacks.c.id.in_(bindparam("ids", expanding=True)))
    .values(closed_at=bindparam("now", type_=Instant))
)

POSTPONE: Final = (
    update(outcomes)
    .where(outcomes.c.callback_id == bindparam("id"), _is_accepted)
    .values(due_at=bindparam("due", type_=Instant), claimed_by=None, trouble=bindparam("why"))
)

_due = (
    select(outcomes.c.callback_id)
    .where(_is_accepted, outcomes.c.due_at <= bindparam("now", type_=Instant))
    .order_by(outcomes.c.due_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
)

CLAIM: Final = (
    update(outcomes)
    .where(outcomes.c.callback_id.in_(_due.scalar_subquery()))
    .values(
        due_at=bindparam("until", type_=Instant),
        claimed_by=bindparam("owner"),
        tries=outcomes.c.tries + 1,
    )
    .returning(outcomes.c.callback_id)
)

RELEASE: Final = (
    update(outcomes)
    .where(outcomes.c.claimed_by == bindparam("owner"), _is_accepted)
    .values(due_at=bindparam("now", type_=Instant), claimed_by=None)
)

NEXT_DUE: Final = select(func.min(outcomes.c.due_at)).where(_is_accepted)

#: A hand-over is a claim by the worker; it is refused while somebody else delivers the outcome.
HAND_OVER: Final = (
    update(outcomes)
    .where(
        outcomes.c.callback_id == bindparam("id"),
        outcomes.c.state.in_([State.ACCEPTED.value, State.PARKED.value]),
        outcomes.c.claimed_by.is_(None)
        | (outcomes.c.due_at <= bindparam("now", type_=Instant))
        # The attempt that took it before this one has ended, and not with it.
        | (
            (outcomes.c.claimed_by == outcomes.c.handed_to)
            & (outcomes.c.handed_attempt < bindparam("attempt"))
        ),
    )
    .values(
        state=State.ACCEPTED.value,
        handed_to=bindparam("worker"),
        handed_attempt=bindparam("attempt"),
        claimed_by=bindparam("worker"),
        due_at=bindparam("until", type_=Instant),
    )
)

_has_outcome = exists().where(outcomes.c.callback_id == callbacks.c.id)

#: Which of the callbacks were neither answered nor closed; held until the commit.
UNANSWERED: Final = (
    select(callbacks.c.id)
    .where(
        callbacks.c.id.in_(bindparam("ids", expanding=True)),
        callbacks.c.closed_at.is_(None),
        ~_has_outcome,
    )
    .with_for_update()
)

EXPIRE: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"), callbacks.c.closed_at.is_(None))
    .values(closed_at=bindparam("now"), expired_because=bindparam("reason"))
)

RECORD: Final = insert(events)

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

EVENTS: Final = (
    select(events).where(events.c.callback_id == bindparam("callback_id")).order_by(events.c.id)
)

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


def open_statement(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Make a callback, unless another worker made it first."""
    return _INSERTS[dialect](callbacks).on_conflict_do_nothing()


def accept_statement(dialect: str) -> sqlite.Insert | postgresql.Insert:
    """Keep an outcome if it is the first, and its callback exists and has not expired."""
    columns = [
        "callback_id",
        "outcome_id",
        "kind",
        "body",
        "fields",
        "accepted_at",
        "state",
        "due_at",
        "tries",
    ]
    values = [bindparam(name, type_=outcomes.c[name].type).label(name) for name in columns]
    takes_answers = exists().where(
        callbacks.c.id == bindparam("callback_id", type_=Text),
        callbacks.c.expired_because.is_(None),
    )
    return (
        _INSERTS[dialect](outcomes)
        .from_select(columns, select(*values).where(takes_answers))
        .on_conflict_do_nothing()
    )
