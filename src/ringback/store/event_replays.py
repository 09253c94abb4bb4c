"""Read all that is stored of an event, and begin events again."""

from collections.abc import Sequence

from ringback.domain.event import EventRecord, EventState, SourceActivity
from ringback.domain.ids import EventId
from ringback.ports.events import NewEvent
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.event_statements import ACTIVITY, ADD_EVENT, FIND, HOME, REPLAY
from ringback.store.events import lock_aliases, to_event_row, to_summary
from ringback.store.queries import parts
from ringback.store.unreadable import AnyRow, read_rows


class SqlEventReplays(SqlPart):
    """The part of `EventStore` that operators need, on a SQL database."""

    @reads
    async def source_activity(
        self, connection: Connection, namespace: str, sources: Sequence[str], *, newest: int
    ) -> Sequence[SourceActivity]:
        found = []
        for source in sources:
            values = {"namespace": namespace, "source": source, "newest": newest}
            rows = list(await connection.execute(ACTIVITY, values))
            found.append(
                SourceActivity(
                    max((row.last_at for row in rows), default=None),
                    {EventState(row.state): row.number for row in rows},
                )
            )
        return found

    @reads
    async def find_event(
        self, connection: Connection, namespace: str, event_id: EventId
    ) -> EventRecord | None:
        values = {"namespace": namespace, "event_id": event_id}
        found, _ = read_rows(await connection.execute(FIND, values), _to_record, key="id")
        return found[0] if found else None

    @writes
    async def replay_event(
        self, connection: Connection, record: EventRecord, events: Sequence[NewEvent]
    ) -> bool:
        event = record.event
        await lock_aliases(connection, (one.alias for one in events if one.alias is not None))
        now = await self._database.now(connection)
        (home,) = await connection.execute(HOME, {"event_id": event.id})
        first, *others = (
            to_event_row(
                one,
                record.position + place,
                (home.delivery_id, home.namespace, event.source),
                received_at=event.received_at,
                now=now,
            )
            for place, one in enumerate(events)
        )
        replayed = await connection.execute(
            REPLAY,
            {
                "event_id": event.id,
                "was": event.state.value,
                "had_ended_at": record.ended_at,
                "namespace_": home.namespace,
                "state_": first["state"],
                "action_": first["action"],
                "alias_": first["alias"],
                "body_": first["body"],
                "until": first["waits_until"],
                "why": first["reason"],
                "now": now,
            },
        )
        if replayed.rowcount != 1:
            return False
        for part in parts(others):
            await connection.execute(ADD_EVENT[connection.dialect.name], part)
        return True


def _to_record(row: AnyRow) -> EventRecord:
    return EventRecord(
        event=to_summary(row),
        ended_at=row.ended_at,
        answer=row.body,
        position=row.position,
        siblings=row.siblings,
        headers=dict(row.headers),
        body=row.request,
    )
