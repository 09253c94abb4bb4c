"""Find, export and delete what sources sent, once all of it has ended.

An event stays as long as the callback that it led to: it belongs to the history of that one.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Integer,
    Text,
    bindparam,
    delete,
    exists,
    func,
    select,
)

from ringback.ports.retention import Record, Window
from ringback.store.bulk_params import Instant, any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.event_tables import deliveries, events
from ringback.store.retention import to_plain_row, to_window
from ringback.store.tables import callbacks

_is_old: ColumnElement[bool] = deliveries.c.received_at <= bindparam("cutoff", type_=Instant)

#: In the order of ids, which begin with the time: no other index is needed.
FIND: Final = (
    select(deliveries.c.id, _is_old.label("is_old"))
    .where(deliveries.c.id > bindparam("after_id", type_=Text))
    .order_by(deliveries.c.id)
    .limit(bindparam("limit", type_=Integer))
)

LOCK: Final = (
    select(deliveries.c.id)
    .where(any_of(deliveries.c.id, "ids"), _is_old)
    .order_by(deliveries.c.id)
    .with_for_update(skip_locked=True)
)

_stays: ColumnElement[bool] = (
    events.c.due_at.is_not(None)
    | (events.c.ended_at > bindparam("cutoff", type_=Instant))
    | exists().where(callbacks.c.id == events.c.callback_id)
)

#: A replay changes an event, so the events are locked, too.
LOCK_EVENTS: Final = (
    select(events.c.delivery_id, _stays.label("stays"))
    .where(any_of(events.c.delivery_id, "ids"))
    .order_by(events.c.id)
    .with_for_update(of=events)
)

_READ: Final = select(deliveries).where(any_of(deliveries.c.id, "ids"))

_READ_EVENTS: Final = (
    select(events)
    .where(any_of(events.c.delivery_id, "ids"))
    .order_by(events.c.delivery_id, events.c.position)
)

COUNT_EVENTS: Final = (
    select(func.count()).select_from(events).where(any_of(events.c.delivery_id, "ids"))
)

DELETE_EVENTS: Final = delete(events).where(any_of(events.c.delivery_id, "ids"))

DELETE: Final = delete(deliveries).where(any_of(deliveries.c.id, "ids"))


class SqlEndedDeliveries(SqlPart):
    """`EndedRecords` for the deliveries of sources, with their events."""

    @reads
    async def find_ended(
        self, connection: Connection, older_than: timedelta, *, after: str | None, limit: int
    ) -> Window:
        now = await self._database.now(connection)
        values = {"after_id": after or "", "cutoff": now - older_than, "limit": limit}
        found = list(await connection.execute(FIND, values))
        return to_window(found, limit)

    @reads
    async def export(self, connection: Connection, ids: Collection[str]) -> Sequence[Record]:
        content: dict[str, dict[str, Any]] = {}
        for row in (await connection.execute(_READ, {"ids": ids})).mappings():
            content[row["id"]] = {deliveries.name: [to_plain_row(row)]}
        for row in (await connection.execute(_READ_EVENTS, {"ids": sorted(content)})).mappings():
            content[row["delivery_id"]].setdefault(events.name, []).append(to_plain_row(row))
        return [Record(id_, 0, rows) for id_, rows in content.items()]

    @writes
    async def purge(
        self,
        connection: Connection,
        ids: Collection[str],
        older_than: timedelta,
        *,
        versions: Mapping[str, int] | None = None,  # noqa: ARG002 - an event that changes is not old
        dry_run: bool = False,
    ) -> Mapping[str, int]:
        cutoff = {"cutoff": await self._database.now(connection) - older_than}
        locked = await connection.execute(LOCK, {"ids": ids, **cutoff})
        ended = {row.id for row in locked}
        if not ended:
            return {}
        found = await connection.execute(LOCK_EVENTS, {"ids": sorted(ended), **cutoff})
        ended -= {row.delivery_id for row in found if row.stays}
        values = {"ids": sorted(ended)}
        if dry_run:
            number: int = await connection.scalar(COUNT_EVENTS, values)
            counts = {events.name: number, deliveries.name: len(ended)}
        else:
            counts = {
                table.name: (await connection.execute(one, values)).rowcount
                for table, one in ((events, DELETE_EVENTS), (deliveries, DELETE))
            }
        return {name: count for name, count in counts.items() if count}
