"""The statements that store and lead events."""

from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    LargeBinary,
    Text,
    bindparam,
    case,
    exists,
    func,
    literal,
    null,
    select,
    text,
    true,
    tuple_,
    update,
)

from ringback.domain.event import EventState
from ringback.store.bulk_params import INSERTS, Instant, Texts, any_of
from ringback.store.event_tables import deliveries, events
from ringback.store.tables import aliases

_WAITING: Final = EventState.WAITING.value

ADD_DELIVERY: Final = {
    dialect: insert_into(deliveries).on_conflict_do_nothing(index_elements=["digest"])
    for dialect, insert_into in INSERTS.items()
}

ADDED: Final = select(deliveries.c.id).where(any_of(deliveries.c.id, "ids"))

#: SQLite has one writer at a time, and needs no lock.
LOCK_ALIASES: Final = text(
    "SELECT pg_advisory_xact_lock(hashtextextended(alias, 0)) FROM unnest(:aliases) AS alias"
).bindparams(bindparam("aliases", type_=Texts))

_COLUMNS: Final = (
    *("id", "delivery_id", "position", "namespace", "source", "received_at", "state"),
    *("action", "alias", "body", "waits_until", "reason", "ended_at"),
)


def _is_known(alias: str, namespace: str) -> ColumnElement[bool]:
    return exists().where(
        aliases.c.alias == bindparam(alias, type_=Text),
        aliases.c.namespace == bindparam(namespace, type_=Text),
        aliases.c.taken_over_at.is_(None),
    )


_due_at: Final = case(
    (bindparam("state", type_=Text) != _WAITING, null()),
    (_is_known("alias", "namespace"), bindparam("received_at", type_=Instant)),
    else_=bindparam("waits_until", type_=Instant),
)

_replayed_due_at: Final = case(
    (bindparam("state_", type_=Text) != _WAITING, null()),
    (_is_known("alias_", "namespace_"), bindparam("now", type_=Instant)),
    else_=bindparam("until", type_=Instant),
)

#: The state and the time of the end name the record that somebody read.
REPLAY: Final = (
    update(events)
    .where(events.c.id == bindparam("event_id"), events.c.due_at.is_(None))
    .where(events.c.state == bindparam("was", type_=Text))
    .where(events.c.ended_at == bindparam("had_ended_at", type_=Instant))
    .values(
        state=bindparam("state_", type_=Text),
        action=bindparam("action_", type_=Text),
        alias=bindparam("alias_", type_=Text),
        body=bindparam("body_", type_=LargeBinary),
        waits_until=bindparam("until", type_=Instant),
        due_at=_replayed_due_at,
        tries=0,
        reason=bindparam("why", type_=Text),
        callback_id=None,
        ended_at=case(
            (bindparam("state_", type_=Text) == _WAITING, null()),
            else_=bindparam("now", type_=Instant),
        ),
    )
)

#: A transaction that is repeated, because nobody knows whether it was committed, adds nothing.
ADD_EVENT: Final = {
    dialect: insert_into(events)
    .from_select(
        [*_COLUMNS, "due_at", "tries"],
        select(
            *(bindparam(name, type_=events.c[name].type) for name in _COLUMNS), _due_at, literal(0)
        ).where(true()),
    )
    .on_conflict_do_nothing()
    for dialect, insert_into in INSERTS.items()
}

_waits = events.c.due_at.is_not(None)

WAKE: Final = (
    update(events)
    .where(_waits, any_of(events.c.alias, "aliases"))
    .where(events.c.namespace == bindparam("namespace_", type_=Text))
    .values(due_at=bindparam("now", type_=Instant))
)

KEEP_OWNER: Final = (
    update(events)
    .where(_waits, events.c.callback_id.is_(None))
    .where(events.c.alias == bindparam("alias_", type_=Text))
    .where(events.c.namespace == bindparam("namespace_", type_=Text))
    .values(callback_id=bindparam("owner", type_=Text))
)

_older = events.alias("older")

#: The first event of an alias answers, so the others wait until it has ended.
_is_first = ~exists().where(
    _older.c.due_at.is_not(None),
    _older.c.alias == events.c.alias,
    _older.c.namespace == events.c.namespace,
    tuple_(_older.c.received_at, _older.c.id) < tuple_(events.c.received_at, events.c.id),
)

_due = (
    select(events.c.id)
    .where(_waits, events.c.due_at <= bindparam("now", type_=Instant), _is_first)
    .order_by(events.c.due_at, events.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)

CLAIMED: Final = [
    events.c[name]
    for name in (
        *("id", "source", "received_at", "action", "alias", "body", "waits_until", "tries"),
        "callback_id",
    )
]

CLAIM: Final = (
    update(events)
    .where(events.c.id == _due.c.id)
    .values(due_at=bindparam("until", type_=Instant), tries=events.c.tries + 1)
    .returning(*CLAIMED, events.c.due_at)
)

#: A claim ended if the event is due at another time: its alias appeared, or another process has it.
_is_claimed = events.c.due_at == bindparam("claimed_until", type_=Instant)

END: Final = (
    update(events)
    .where(events.c.id == bindparam("event_id"), _is_claimed)
    .values(
        state=bindparam("state_"),
        # A replayed event has one from the start.
        reason=func.coalesce(bindparam("why", type_=Text), events.c.reason),
        callback_id=bindparam("of_callback"),
        ended_at=bindparam("now", type_=Instant),
        due_at=None,
    )
)

POSTPONE: Final = (
    update(events)
    .where(events.c.id == bindparam("event_id"), _is_claimed)
    .values(due_at=func.coalesce(bindparam("due", type_=Instant), events.c.waits_until))
)

NEXT_DUE: Final = select(func.min(events.c.due_at)).where(_waits)


_SHOWN: Final = (
    *("id", "source", "received_at", "state", "action", "alias", "due_at", "waits_until"),
    *("tries", "reason", "callback_id"),
)


def _fits(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    wanted = bindparam(name, type_=Text)
    return wanted.is_(None) | (column == wanted)


LIST: Final = (
    select(*(events.c[name] for name in _SHOWN), deliveries.c.delivery_key)
    .join_from(events, deliveries)
    .where(
        events.c.namespace == bindparam("namespace", type_=Text),
        *(_fits(events.c[name], name) for name in ("source", "state", "alias")),
        bindparam("before", type_=Text).is_(None) | (events.c.id < bindparam("before", type_=Text)),
    )
    .order_by(events.c.id.desc())
    .limit(bindparam("limit"))
)

_newest: Final = (
    select(events.c.state, events.c.received_at, events.c.namespace)
    .where(events.c.source == bindparam("source", type_=Text))
    .order_by(events.c.id.desc())
    .limit(bindparam("newest", type_=Integer))
    .subquery("newest")
)

#: It reads a bounded number of events, however many there are.
ACTIVITY: Final = (
    select(
        _newest.c.state,
        func.count().label("number"),
        func.max(_newest.c.received_at).label("last_at"),
    )
    .where(_newest.c.namespace == bindparam("namespace", type_=Text))
    .group_by(_newest.c.state)
)

_sibling: Final = events.alias("sibling")

FIND: Final = (
    select(
        *(events.c[name] for name in (*_SHOWN, "ended_at", "body", "position")),
        deliveries.c.delivery_key,
        deliveries.c.headers,
        deliveries.c.body.label("request"),
        select(func.count())
        .where(_sibling.c.delivery_id == events.c.delivery_id)
        .scalar_subquery()
        .label("siblings"),
    )
    .join_from(events, deliveries)
    .where(events.c.id == bindparam("event_id"))
    .where(events.c.namespace == bindparam("namespace", type_=Text))
)

HOME: Final = select(events.c.delivery_id, events.c.namespace).where(
    events.c.id == bindparam("event_id")
)
