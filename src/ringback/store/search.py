"""Find callbacks, and list their events."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, bindparam, select

from ringback.domain.callback import Callback, State
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.domain.query import NOT_ENDED, Query
from ringback.store import mapping
from ringback.store.database import Connection, SqlPart, reads
from ringback.store.deadlines import DEADLINE_AT, HAS_PASSED
from ringback.store.queries import IS_OPEN, LISTED
from ringback.store.tables import Instant, callbacks, events, outcomes, tags
from ringback.store.unreadable import AnyRow, read_rows

_Condition = ColumnElement[bool]

_WITH_OUTCOME: Final = callbacks.outerjoin(outcomes)
_TAGGED: Final = tags.join(callbacks).outerjoin(outcomes)
_ANSWERED: Final = outcomes.join(callbacks)


def pages(
    query: Query, *, after: CallbackId | None, now: datetime, limit: int
) -> Sequence[Select[Any]]:
    """Return statements that find a page: the first `limit` rows of all results, by id.

    Each statement walks one index, so rare callbacks are found quickly among a million others.
    Nothing is counted, and no row before the page is read.
    """
    conditions = list(_conditions(query, now))
    found = []
    for source, key, more in _ways(query):
        walk = select(*LISTED).select_from(source).order_by(key).limit(limit)
        behind = [] if after is None else [key > after]
        found.append(walk.where(*behind, *conditions, *more))
    return found


def _ways(query: Query) -> Iterator[tuple[FromClause, ColumnElement[str], list[_Condition]]]:
    """Yield the table to walk, the column that orders it, and further conditions."""
    source, key = (
        (_WITH_OUTCOME, callbacks.c.id) if query.tag is None else (_TAGGED, tags.c.callback_id)
    )
    if query.is_overdue or query.states == frozenset(State):
        yield source, key, []
    elif query.states == NOT_ENDED:
        yield source, key, [callbacks.c.closed_at.is_(None)]
    else:
        for state in query.states:
            if state is State.OPEN:
                yield source, key, [IS_OPEN]
            elif state is State.EXPIRED:
                yield source, key, [callbacks.c.expired_because.is_not(None)]
            elif query.tag is None:
                yield _ANSWERED, outcomes.c.callback_id, [outcomes.c.state == state.value]
            else:
                yield source, key, [outcomes.c.state == state.value]


def _conditions(query: Query, now: datetime) -> Iterator[_Condition]:
    equal = [
        (callbacks.c.workflow_id, query.workflow_id),
        (callbacks.c.workflow_type, query.workflow_type),
        (callbacks.c.activity_type, query.activity_type),
        (tags.c.tag, query.tag),
    ]
    yield from (column == value for column, value in equal if value is not None)
    if query.opened_after is not None:
        yield callbacks.c.opened_at >= query.opened_after
    if query.opened_before is not None:
        yield callbacks.c.opened_at < query.opened_before
    if query.older_than is not None:
        yield callbacks.c.opened_at <= now - query.older_than
    if query.is_overdue:
        yield IS_OPEN
        yield bindparam("now", now, type_=Instant) >= DEADLINE_AT


OVERDUE: Final = (
    select(*LISTED)
    .select_from(_WITH_OUTCOME)
    .where(IS_OPEN, HAS_PASSED)
    .order_by(DEADLINE_AT, callbacks.c.id)
    .limit(bindparam("limit"))
)

#: The `accepted` event of an outcome, which has no row in `events`.
ACCEPTED: Final = select(
    outcomes.c.after_event,
    outcomes.c.callback_id,
    outcomes.c.outcome_id,
    outcomes.c.accepted_at,
    outcomes.c.kind,
    outcomes.c.is_default,
).where(outcomes.c.callback_id == bindparam("callback_id"))

EVENTS: Final = (
    select(events).where(events.c.callback_id == bindparam("callback_id")).order_by(events.c.id)
)


class SqlCallbackIndex(SqlPart):
    """`CallbackIndex` on a SQL database."""

    @reads
    async def page(
        self, connection: Connection, query: Query, *, after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        now = await self._database.now(connection)
        page: list[Callback] = []
        while True:
            found: dict[str, AnyRow] = {}
            for statement in pages(query, after=after, now=now, limit=limit):
                found |= {row.id: row for row in await connection.execute(statement)}
            ids = sorted(found)[:limit]
            readable, _ = read_rows([found[id_] for id_ in ids], mapping.to_callback, key="id")
            page += readable
            if len(page) >= limit or len(ids) < limit:
                return page[:limit]
            after = CallbackId(ids[-1])

    @reads
    async def overdue(self, connection: Connection, *, limit: int) -> Sequence[Callback]:
        now = await self._database.now(connection)
        result = await connection.execute(OVERDUE, {"now": now, "limit": limit})
        overdue, _ = read_rows(result, mapping.to_callback, key="id")
        return overdue

    @reads
    async def events(self, connection: Connection, callback_id: CallbackId) -> Sequence[Event]:
        of_it = {"callback_id": callback_id}
        found, _ = read_rows(
            await connection.execute(EVENTS, of_it),
            lambda row: ((row.id, False), mapping.to_event(row)),
        )
        # Sorts after the event that was the newest then.
        accepted, _ = read_rows(
            await connection.execute(ACCEPTED, of_it),
            lambda row: ((row.after_event, True), mapping.to_accepted_event(row)),
        )
        return [event for _, event in sorted([*found, *accepted], key=itemgetter(0))]
