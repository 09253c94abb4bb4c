"""Find callbacks, and read their audit trails."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, FromClause, Select, bindparam, select

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.ports.store import NOT_ENDED, CallbackQuery
from ringback.store import mapping
from ringback.store.bulk_params import Instant
from ringback.store.database import Connection, SqlPart, reads
from ringback.store.deadlines import DEADLINE_AT, HAS_PASSED
from ringback.store.queries import IS_OPEN, LISTED
from ringback.store.tables import aliases, audit_trail, callbacks, outcomes, tags
from ringback.store.unreadable import AnyRow, read_rows

_Condition = ColumnElement[bool]

_WITH_OUTCOME: Final = callbacks.outerjoin(outcomes)
_TAGGED: Final = tags.join(callbacks).outerjoin(outcomes)
_ALIASED: Final = aliases.join(callbacks).outerjoin(outcomes)
_TAGGED_AND_ALIASED: Final = _ALIASED.join(tags, tags.c.callback_id == aliases.c.callback_id)
_ANSWERED: Final = outcomes.join(callbacks)


def pages(
    query: CallbackQuery, *, after: CallbackId | None, now: datetime, limit: int
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


def _ways(
    query: CallbackQuery,
) -> Iterator[tuple[FromClause, ColumnElement[str], list[_Condition]]]:
    """Yield the table to walk, the column that orders it, and further conditions."""
    source, key = _source(query)
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
            elif source is _WITH_OUTCOME:
                yield _ANSWERED, outcomes.c.callback_id, [outcomes.c.state == state.value]
            else:
                yield source, key, [outcomes.c.state == state.value]


def _source(query: CallbackQuery) -> tuple[FromClause, ColumnElement[str]]:
    if query.alias is None:
        return (
            (_WITH_OUTCOME, callbacks.c.id) if query.tag is None else (_TAGGED, tags.c.callback_id)
        )
    source = _ALIASED if query.tag is None else _TAGGED_AND_ALIASED
    return source, aliases.c.callback_id


def _conditions(query: CallbackQuery, now: datetime) -> Iterator[_Condition]:
    equal = [
        (callbacks.c.workflow_id, query.workflow_id),
        (callbacks.c.workflow_type, query.workflow_type),
        (callbacks.c.activity_type, query.activity_type),
        (tags.c.tag, query.tag),
        (aliases.c.alias, query.alias),
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

#: The `accepted` entry of an outcome, which has no row in `audit_trail`.
ACCEPTED: Final = select(
    outcomes.c.after_entry,
    outcomes.c.callback_id,
    outcomes.c.outcome_id,
    outcomes.c.accepted_at,
    outcomes.c.kind,
    outcomes.c.is_default,
).where(outcomes.c.callback_id == bindparam("callback_id"))

#: The aliases of a callback: its end frees them, and writes no row in `audit_trail` for that.
ALIASES: Final = select(callbacks.c.id.label("callback_id"), callbacks.c.aliases).where(
    callbacks.c.id == bindparam("callback_id")
)

_ENDS: Final = frozenset({AuditKind.APPLIED, AuditKind.SUPERSEDED, AuditKind.EXPIRED})

AUDIT_TRAIL: Final = (
    select(audit_trail)
    .where(audit_trail.c.callback_id == bindparam("callback_id"))
    .order_by(audit_trail.c.id)
)


class SqlCallbackIndex(SqlPart):
    """`CallbackIndex` on a SQL database."""

    @reads
    async def page(
        self, connection: Connection, query: CallbackQuery, *, after: CallbackId | None, limit: int
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
    async def audit_trail(
        self, connection: Connection, callback_id: CallbackId
    ) -> Sequence[AuditEntry]:
        of_it = {"callback_id": callback_id}
        found, _ = read_rows(
            await connection.execute(AUDIT_TRAIL, of_it),
            lambda row: ((row.id, False), mapping.to_entry(row)),
        )
        aliases, _ = read_rows(
            await connection.execute(ALIASES, of_it), lambda row: list(map(str, row.aliases))
        )
        # Sorts after the entry that was the newest then.
        accepted, _ = read_rows(
            await connection.execute(ACCEPTED, of_it),
            lambda row: ((row.after_entry, True), mapping.to_accepted_entry(row)),
        )
        entries = [entry for _, entry in sorted([*found, *accepted], key=itemgetter(0))]
        return list(_with_freed(entries, *aliases))


def _with_freed(entries: Sequence[AuditEntry], aliases: Sequence[str] = ()) -> Iterator[AuditEntry]:
    """Yield `audit_trail`, and after the end of a callback that it freed the `aliases`."""
    for entry in entries:
        yield entry
        if aliases and entry.kind in _ENDS:
            facts: dict[str, object] = {"aliases": list(aliases)}
            yield AuditEntry(entry.callback_id, entry.at, AuditKind.ALIASES_FREED, facts)
