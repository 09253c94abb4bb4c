"""Bringing outcomes to Temporal, from a SQL database."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from ringback.domain.callback import MOVES, Callback
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId
from ringback.ports.store import Postponement, Settlement
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.events import notify, record
from ringback.store.queries import execute_each, find_readable, lock, parts
from ringback.store.statements import deliveries as statements
from ringback.store.statements import settling
from ringback.store.transactions import reads, writes

ENDS: Final = frozenset(state for state, moves in MOVES.items() if not moves)


class SqlDeliveries:
    """`DeliveryQueue` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Keep everything in `database`, whose schema is the newest."""
        self._database = database

    @writes
    async def claim(
        self, connection: Connection, owner: str, *, limit: int, lease: timedelta
    ) -> Sequence[Callback]:
        """See `DeliveryQueue.claim`."""
        now = await self._database.now(connection)
        values = {"now": now, "limit": limit, "until": now + lease, "owner": owner}
        result = await connection.execute(statements.CLAIM, values)
        found = await find_readable(connection, [row.callback_id for row in result])
        return sorted(found.values(), key=_accepted_at)

    @writes
    async def release(self, connection: Connection, owner: str) -> None:
        """See `DeliveryQueue.release`."""
        now = await self._database.now(connection)
        await connection.execute(statements.RELEASE, {"owner": owner, "now": now})

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        """See `DeliveryQueue.postpone`."""
        for part in parts(postponements):
            await self._postpone(part)

    @writes
    async def _postpone(
        self, connection: Connection, postponements: Sequence[Postponement]
    ) -> None:
        ids = {"ids": [item.callback_id for item in postponements]}
        await connection.execute(statements.UNSETTLED, ids)
        now = await self._database.now(connection)
        values = [
            {
                "id": item.callback_id,
                "tries_": item.tries,
                "due": now + item.wait,
                "why": item.reason,
                "is_not_applied": item.is_not_applied,
            }
            for item in postponements
        ]
        await execute_each(connection, statements.POSTPONE, values)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `DeliveryQueue.settle`."""
        for part in parts(settlements):
            settled = await self._settle(part)
            if settled:
                self._database.announce_settled(settled)

    @writes
    async def _settle(
        self, connection: Connection, settlements: Sequence[Settlement]
    ) -> Sequence[CallbackId]:
        first = {(item.callback_id, item.tries): item for item in reversed(settlements)}
        ids = [item.callback_id for item in settlements]
        await lock(connection, ids)
        result = await connection.execute(statements.UNSETTLED, {"ids": ids})
        tries = [(CallbackId(row.callback_id), row.tries) for row in result]
        settled = [first[one] for one in tries if one in first]
        if settled:
            await self._write_verdicts(connection, settled)
        return [one.callback_id for one in settled]

    async def _write_verdicts(self, connection: Connection, settled: Sequence[Settlement]) -> None:
        now = await self._database.now(connection)
        dialect = self._database.dialect
        values = settling.given(dialect, settled) | {"now": now}
        await connection.execute(settling.SETTLE[dialect], values)
        ended = [one.callback_id for one in settled if one.verdict in ENDS]
        await connection.execute(settling.CLOSE, {"ids": ended, "now": now})
        ids = [one.callback_id for one in settled]
        await connection.execute(settling.RECORD, {"ids": ids})
        await notify(connection, [_verdict(one, now) for one in settled])

    @reads
    async def next_due(self, connection: Connection) -> timedelta | None:
        """See `DeliveryQueue.next_due`."""
        due_at: datetime | None = await connection.scalar(statements.NEXT_DUE)
        if due_at is None:
            return None
        return max(timedelta(0), due_at - await self._database.now(connection))

    @writes
    async def deliver_inline(
        self,
        connection: Connection,
        callback_id: CallbackId,
        *,
        worker: str,
        attempt_started_at: datetime,
        lease: timedelta,
    ) -> bool:
        """See `DeliveryQueue.deliver_inline`."""
        await lock(connection, [callback_id])
        now = await self._database.now(connection)
        values = {
            "id": callback_id,
            "now": now,
            "until": now + lease,
            "worker": worker,
            "started_at": attempt_started_at,
        }
        attempt = await connection.scalar(statements.HAND_OVER, values)
        if attempt is None:
            return False
        facts: dict[str, object] = {"worker": worker, "attempt": attempt}
        await record(connection, [Event(callback_id, now, EventKind.DELIVERED_INLINE, facts)])
        return True

    async def redeliver(self, callback_id: CallbackId) -> bool:
        """See `DeliveryQueue.redeliver`."""
        is_due = await self._redeliver(callback_id)
        if is_due:
            self._database.announce_accepted()
        return is_due

    @writes
    async def _redeliver(self, connection: Connection, callback_id: CallbackId) -> bool:
        await lock(connection, [callback_id])
        now = await self._database.now(connection)
        result = await connection.execute(statements.REDELIVER, {"id": callback_id, "now": now})
        if result.rowcount == 0:
            return False
        await record(connection, [Event(callback_id, now, EventKind.REDELIVERED, {})])
        return True


def _verdict(settlement: Settlement, now: datetime) -> Event:
    kind = EventKind(settlement.verdict.value)
    return Event(settlement.callback_id, now, kind, settlement.proof)


def _accepted_at(callback: Callback) -> datetime:
    assert callback.accepted is not None, "what was claimed has an outcome"
    return callback.accepted.accepted_at
