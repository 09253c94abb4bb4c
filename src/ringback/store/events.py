"""Store what sources send, once each, and lead it to the callbacks that have its aliases.

An event may be stored while another transaction adds its alias. Both lock the alias first, so the
later one sees what the earlier one has committed: no event waits for an alias that is there.
Whatever changes several events locks their aliases first, too: of two transactions, one waits.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ringback.domain.event import Event, EventEnd, EventState, EventSummary
from ringback.domain.ids import CallbackId, EventId
from ringback.domain.link import Verb
from ringback.ports.events import NewEvent, SourceDelivery
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.event_statements import (
    ADD_DELIVERY,
    ADD_EVENT,
    ADDED,
    CLAIM,
    CLAIMED,
    END,
    KEEP_OWNER,
    LIST,
    LOCK_ALIASES,
    NEXT_DUE,
    POSTPONE,
    WAKE,
)
from ringback.store.event_tables import events
from ringback.store.queries import execute_each, parts, time_until
from ringback.store.unreadable import AnyRow, RowTypes, read_rows

_TYPES: Final = RowTypes([*CLAIMED, events.c.due_at])


def to_summary(row: AnyRow) -> EventSummary:
    """Return an event without bodies."""
    return EventSummary(
        id=EventId(row.id),
        source=row.source,
        delivery_key=row.delivery_key,
        received_at=row.received_at,
        state=EventState(row.state),
        action=None if row.action is None else Verb[row.action.upper()],
        alias=row.alias,
        waits_until=None if row.due_at is None else row.waits_until,
        tries=row.tries,
        reason=row.reason,
        callback_id=None if row.callback_id is None else CallbackId(row.callback_id),
    )


def _to_event(row: AnyRow) -> Event:
    _TYPES.check(row)
    return Event(
        id=EventId(row.id),
        source=row.source,
        received_at=row.received_at,
        action=Verb[row.action.upper()],
        alias=row.alias,
        body=row.body,
        waits_until=row.waits_until,
        tries=row.tries,
        claimed_until=row.due_at,
        callback_id=None if row.callback_id is None else CallbackId(row.callback_id),
    )


async def wake_events(
    connection: Connection,
    granted: Collection[tuple[str, str]],
    *,
    ended: Mapping[tuple[str, str], CallbackId],
    now: datetime,
) -> None:
    """Make events due that wait for aliases, each with its namespace, of this transaction.

    An event that came while a callback that has `ended` was the last to have its alias was meant
    for that one: it may have been answered by a process that was killed before it said so.
    """
    await lock_aliases(connection, (alias for alias, _ in granted))
    kept = [
        {"alias_": alias, "namespace_": namespace, "owner": owner}
        for (alias, namespace), owner in sorted(ended.items())
    ]
    await execute_each(connection, KEEP_OWNER, kept)
    for namespace in sorted({namespace for _, namespace in granted}):
        names = [alias for alias, of in granted if of == namespace]
        values = {"aliases": names, "namespace_": namespace, "now": now}
        await connection.execute(WAKE, values)


async def lock_aliases(connection: Connection, names: Iterable[str]) -> None:
    """Lock these aliases until the commit."""
    # Sorted: of two transactions that lock the same ones, one waits.
    wanted = sorted(set(names))
    if wanted and connection.dialect.name == "postgresql":
        await connection.execute(LOCK_ALIASES, {"aliases": wanted})


class SqlEvents(SqlPart):
    """`EventStore` on a SQL database."""

    @writes
    async def store_deliveries(
        self, connection: Connection, received: Sequence[SourceDelivery]
    ) -> Sequence[bool]:
        now = await self._database.now(connection)
        # Sorted: of two transactions that store the same ones, one waits.
        ordered = sorted(received, key=lambda one: one.digest)
        await execute_each(
            connection,
            ADD_DELIVERY[connection.dialect.name],
            [_to_delivery_row(one, now) for one in ordered],
        )
        ids = [one.id for one in received]
        added = {row.id for row in await connection.execute(ADDED, {"ids": ids})}
        new = [one for one in received if one.id in added]
        rows = [row for one in new for row in _to_event_rows(one, now)]
        await lock_aliases(connection, (row["alias"] for row in rows if row["alias"]))
        for part in parts(rows):
            await connection.execute(ADD_EVENT[connection.dialect.name], part)
        return [one.id in added for one in received]

    @writes
    async def claim_events(
        self, connection: Connection, *, limit: int, lease: timedelta
    ) -> Sequence[Event]:
        now = await self._database.now(connection)
        values = {"now": now, "limit": limit, "until": now + lease}
        claimed, _ = read_rows(await connection.execute(CLAIM, values), _to_event)
        return sorted(claimed, key=lambda event: (event.received_at, event.id))

    @writes
    async def end_events(self, connection: Connection, ends: Sequence[EventEnd]) -> None:
        await lock_aliases(connection, (end.event.alias for end in ends))
        now = await self._database.now(connection)
        rows = [
            {
                "event_id": end.event.id,
                "claimed_until": end.event.claimed_until,
                "state_": end.state.value,
                "why": end.reason,
                "of_callback": end.callback_id,
                "now": now,
            }
            for end in sorted(ends, key=lambda end: end.event.id)
        ]
        await execute_each(connection, END, rows)

    @writes
    async def postpone_events(
        self, connection: Connection, postponed: Sequence[tuple[Event, timedelta | None]]
    ) -> None:
        await lock_aliases(connection, (event.alias for event, _ in postponed))
        now = await self._database.now(connection)
        rows = [
            {
                "event_id": event.id,
                "claimed_until": event.claimed_until,
                "due": None if wait is None else now + wait,
            }
            for event, wait in sorted(postponed, key=lambda one: one[0].id)
        ]
        await execute_each(connection, POSTPONE, rows)

    @reads
    async def list_events(
        self,
        connection: Connection,
        namespace: str,
        *,
        source: str | None = None,
        state: EventState | None = None,
        alias: str | None = None,
        before: EventId | None = None,
        limit: int,
    ) -> Sequence[EventSummary]:
        values = {
            "namespace": namespace,
            "source": source,
            "state": None if state is None else state.value,
            "alias": alias,
            "before": before,
            "limit": limit,
        }
        found, _ = read_rows(await connection.execute(LIST, values), to_summary)
        return found

    @reads
    async def next_event(self, connection: Connection) -> timedelta | None:
        return await time_until(self._database, connection, NEXT_DUE)


def _to_delivery_row(delivery: SourceDelivery, now: datetime) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "digest": delivery.digest,
        "source": delivery.source,
        "delivery_key": delivery.delivery_key,
        "headers": dict(delivery.headers),
        "body": delivery.body,
        "received_at": now,
    }


def _to_event_rows(delivery: SourceDelivery, now: datetime) -> Iterator[dict[str, Any]]:
    home = (delivery.id, delivery.namespace, delivery.source)
    for position, event in enumerate(delivery.events):
        yield to_event_row(event, position, home, received_at=now, now=now)


def to_event_row(
    event: NewEvent,
    position: int,
    home: tuple[EventId, str, str],
    *,
    received_at: datetime,
    now: datetime,
) -> dict[str, Any]:
    """Return the row of a new event; `home` is its delivery, its namespace and its source."""
    delivery_id, namespace, source = home
    return {
        "id": event.id,
        "delivery_id": delivery_id,
        "position": position,
        "namespace": namespace,
        "source": source,
        "received_at": received_at,
        "state": event.state.value,
        "action": None if event.action is None else event.action.name.lower(),
        "alias": event.alias,
        "body": event.body,
        "waits_until": now + event.wait,
        "reason": event.reason,
        "ended_at": None if event.state is EventState.WAITING else now,
    }
