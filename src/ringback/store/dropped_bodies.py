"""Drop the bodies of callbacks and events that have ended, before these are deleted."""

import asyncio
import secrets
from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Integer, LargeBinary, Text, bindparam, exists, select, update

from ringback.domain.audit import AuditKind
from ringback.domain.outcome import drop_body
from ringback.ports.retention import Window
from ringback.store.bulk_params import Instant, any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.event_tables import deliveries, events
from ringback.store.queries import execute_each, parts
from ringback.store.retention import FIND, LOCK, WalkPosition, to_window
from ringback.store.tables import audit_trail, callbacks, outcomes, votes

_SALT_BYTES: Final = 16

_AT_ONCE: Final = 20
"""Maximum callbacks of one transaction: each body may have 2 MB."""

#: An attempt that continues after the answer needs it for as long as the activity runs.
_droppable: ColumnElement[bool] = callbacks.c.has_bodies & ~callbacks.c.resume

LOCK_BODIES: Final = LOCK.where(_droppable)

READ_OUTCOMES: Final = select(outcomes.c.callback_id, outcomes.c.body).where(
    any_of(outcomes.c.callback_id, "ids"), outcomes.c.body.is_not(None)
)

READ_VOTES: Final = select(votes.c.callback_id, votes.c.voter, votes.c.body).where(
    any_of(votes.c.callback_id, "ids"), votes.c.body.is_not(None)
)

READ_EVIDENCE: Final = select(audit_trail.c.id, audit_trail.c.facts).where(
    any_of(audit_trail.c.callback_id, "ids"),
    audit_trail.c.kind == AuditKind.ANSWERED_DIFFERENTLY.value,
)

_new_body: ColumnElement[Any] = bindparam("body_", type_=LargeBinary)

_DROP_OUTCOME: Final = (
    update(outcomes)
    .where(outcomes.c.callback_id == bindparam("of_callback"))
    .values(body=_new_body)
)

_DROP_VOTE: Final = (
    update(votes)
    .where(votes.c.callback_id == bindparam("of_callback"), votes.c.voter == bindparam("by"))
    .values(body=_new_body)
)

_DROP_EVIDENCE: Final = (
    update(audit_trail)
    .where(audit_trail.c.id == bindparam("entry"))
    .values(facts=bindparam("facts_", type_=audit_trail.c.facts.type))
)

DROP: Final = (
    update(callbacks)
    .where(any_of(callbacks.c.id, "ids"))
    .values(has_bodies=False, heartbeat_details=None, on_deadline_body=None, task_token=None)
)

_is_old: ColumnElement[bool] = deliveries.c.received_at <= bindparam("cutoff", type_=Instant)

FIND_DELIVERIES: Final = (
    select(deliveries.c.id, _is_old.label("is_old"))
    .where(deliveries.c.id > bindparam("after_id", type_=Text), deliveries.c.body.is_not(None))
    .order_by(deliveries.c.id)
    .limit(bindparam("limit", type_=Integer))
)

LOCK_DELIVERIES: Final = (
    select(deliveries.c.id)
    .where(any_of(deliveries.c.id, "ids"), _is_old, deliveries.c.body.is_not(None))
    .order_by(deliveries.c.id)
    .with_for_update(skip_locked=True)
)

_is_needed: ColumnElement[bool] = (
    events.c.due_at.is_not(None)
    | (events.c.ended_at > bindparam("cutoff", type_=Instant))
    | exists().where(callbacks.c.id == events.c.callback_id, callbacks.c.closed_at.is_(None))
)

LOCK_EVENTS: Final = (
    select(events.c.delivery_id, _is_needed.label("is_needed"))
    .where(any_of(events.c.delivery_id, "ids"))
    .order_by(events.c.id)
    .with_for_update(of=events)
)

DROP_EVENTS: Final = update(events).where(any_of(events.c.delivery_id, "ids")).values(body=None)

DROP_DELIVERIES: Final = (
    update(deliveries).where(any_of(deliveries.c.id, "ids")).values(body=None, headers={})
)


class SqlCallbackBodies(SqlPart):
    """`StoredBodies` of callbacks: their answers, votes, evidence, heartbeats and defaults."""

    @reads
    async def find_bodies(
        self, connection: Connection, older_than: timedelta, *, after: str | None, limit: int
    ) -> Window:
        place = WalkPosition.read(after)
        values = {
            "has_bodies": True,
            "after_at": place.at,
            "after_id": place.id,
            "cutoff": await self._database.now(connection) - older_than,
            "limit": limit,
        }
        found = list(await connection.execute(FIND, values))
        after = place.next(found, limit) if len(found) == limit else None
        return Window([row.id for row in found], after)

    async def drop_bodies(self, ids: Collection[str], older_than: timedelta) -> int:
        dropped = 0
        for part in parts(ids, _AT_ONCE):
            outcome_rows, vote_rows = await self._read_bodies(part)
            # Parsing takes milliseconds for a large body, so neither a transaction nor the event
            # loop waits for it.
            changed = await asyncio.to_thread(_drop_all, outcome_rows, vote_rows)
            dropped += await self._drop_bodies(part, older_than, changed=changed)
        return dropped

    @reads
    async def _read_bodies(
        self, connection: Connection, ids: Sequence[str]
    ) -> tuple[Sequence[Any], Sequence[Any]]:
        return (
            list(await connection.execute(READ_OUTCOMES, {"ids": ids})),
            list(await connection.execute(READ_VOTES, {"ids": ids})),
        )

    @writes
    async def _drop_bodies(
        self,
        connection: Connection,
        ids: Sequence[str],
        older_than: timedelta,
        *,
        changed: tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]],
    ) -> int:
        values = {"ids": ids, "cutoff": await self._database.now(connection) - older_than}
        locked = {row.id for row in await connection.execute(LOCK_BODIES, values)}
        for statement, rows in zip((_DROP_OUTCOME, _DROP_VOTE), changed, strict=True):
            mine = [row for row in rows if row["of_callback"] in locked]
            await execute_each(connection, statement, mine)
        found = await connection.execute(READ_EVIDENCE, {"ids": sorted(locked)})
        evidence = [
            {"entry": row.id, "facts_": {**row.facts, "body": None}}
            for row in found
            if isinstance(row.facts, dict)
        ]
        await execute_each(connection, _DROP_EVIDENCE, evidence)
        await connection.execute(DROP, {"ids": sorted(locked)})
        return len(locked)


class SqlEventBodies(SqlPart):
    """`StoredBodies` of deliveries: their requests, and the answers of their events."""

    @reads
    async def find_bodies(
        self, connection: Connection, older_than: timedelta, *, after: str | None, limit: int
    ) -> Window:
        cutoff = await self._database.now(connection) - older_than
        values = {"after_id": after or "", "cutoff": cutoff, "limit": limit}
        found = list(await connection.execute(FIND_DELIVERIES, values))
        return to_window(found, limit)

    @writes
    async def drop_bodies(
        self, connection: Connection, ids: Collection[str], older_than: timedelta
    ) -> int:
        cutoff = {"cutoff": await self._database.now(connection) - older_than}
        found = await connection.execute(LOCK_DELIVERIES, {"ids": ids, **cutoff})
        ended = {row.id for row in found}
        locked = await connection.execute(LOCK_EVENTS, {"ids": sorted(ended), **cutoff})
        ended -= {row.delivery_id for row in locked if row.is_needed}
        for statement in (DROP_EVENTS, DROP_DELIVERIES):
            await connection.execute(statement, {"ids": sorted(ended)})
        return len(ended)


def _drop_all(
    outcome_rows: Sequence[Any], vote_rows: Sequence[Any]
) -> tuple[Sequence[Mapping[str, Any]], Sequence[Mapping[str, Any]]]:
    return (
        [{"of_callback": row.callback_id, "body_": _drop(row.body)} for row in outcome_rows],
        [
            {"of_callback": row.callback_id, "by": row.voter, "body_": _drop(row.body)}
            for row in vote_rows
        ],
    )


def _drop(body: bytes) -> bytes | None:
    try:
        return drop_body(body, secrets.token_bytes(_SALT_BYTES))
    except (RecursionError, ValueError):
        # A body that cannot be parsed is not an answer that anybody repeats.
        return None
