"""Store received and sent heartbeats, and when the next ones are due."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Integer, bindparam, func, select, update

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.liveness import (
    HeartbeatReceipt,
    ReceivedHeartbeat,
    SentHeartbeat,
    apply_received_heartbeat,
    apply_sent_heartbeat,
)
from ringback.store.bulk_params import Instant, any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.queries import find_readable, lock, time_until
from ringback.store.tables import callbacks
from ringback.store.tracked import (
    LEARNED_COLUMNS,
    apply_all,
    lock_tracked,
    save_changes,
    update_columns,
)

_now: ColumnElement[object] = bindparam("now", type_=Instant)

_is_wanted: ColumnElement[bool] = any_of(callbacks.c.id, "ids")

#: This includes answered callbacks: the attempt must live until its outcome has been delivered.
_awaits_heartbeat: ColumnElement[bool] = callbacks.c.closed_at.is_(
    None
) & callbacks.c.heartbeat_due_at.is_not(None)

DUE_HEARTBEATS: Final = (
    select(callbacks.c.id)
    .where(_awaits_heartbeat, callbacks.c.heartbeat_due_at <= _now)
    .order_by(callbacks.c.heartbeat_due_at, callbacks.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(key_share=True, skip_locked=True)
)

_CLAIM: Final = (
    update(callbacks)
    .where(_is_wanted)
    .values(
        heartbeat_due_at=bindparam("until", type_=Instant),
        heartbeat_held_until=bindparam("until", type_=Instant),
    )
)

_SAVE_SENT: Final = update_columns(*LEARNED_COLUMNS, "heartbeat_sent_at", "heartbeat_held_until")

_SAVE_RECEIVED: Final = update_columns(
    "heartbeat_details", "heartbeat_received_at", "heartbeat_due_at", "heartbeat_held_until"
)

#: False once a later attempt has opened the callback: that ends the claim.
_is_claimed: ColumnElement[bool] = callbacks.c.heartbeat_held_until.is_not(None)

_POSTPONE: Final = (
    update(callbacks)
    .where(_is_wanted, _is_claimed)
    .values(
        heartbeat_due_at=bindparam("until", type_=Instant),
        heartbeat_held_until=bindparam("until", type_=Instant),
    )
)

_GIVE_UP: Final = (
    update(callbacks)
    .where(_is_wanted, _is_claimed)
    .values(
        heartbeat_due_at=None, heartbeat_held_until=None, poll_due_at=_now, poll_held_until=None
    )
)

_NEXT_DUE: Final = select(func.min(callbacks.c.heartbeat_due_at)).where(_awaits_heartbeat)


class SqlHeartbeats(SqlPart):
    """The heartbeats of `ActivityPollStore` on a SQL database."""

    @writes
    async def receive_heartbeats(
        self, connection: Connection, heartbeats: Sequence[ReceivedHeartbeat], *, lease: timedelta
    ) -> Sequence[HeartbeatReceipt]:
        before = await lock_tracked(connection, [one.callback_id for one in heartbeats])
        now = await self._database.now(connection)
        after, receipts = dict(before), []
        for one in heartbeats:
            receipt = HeartbeatReceipt(None, is_due=False)
            if one.callback_id in after:
                after[one.callback_id], receipt = apply_received_heartbeat(
                    after[one.callback_id], one, now, lease=lease
                )
            receipts.append(receipt)
        await save_changes(connection, _SAVE_RECEIVED, before=before, after=after, now=now)
        return receipts

    @writes
    async def claim_heartbeats(
        self, connection: Connection, *, limit: int, lease: timedelta
    ) -> Sequence[Callback]:
        now = await self._database.now(connection)
        claimed = [
            CallbackId(row.id)
            for row in await connection.execute(DUE_HEARTBEATS, {"now": now, "limit": limit})
        ]
        await connection.execute(_CLAIM, {"ids": claimed, "until": now + lease})
        found = await find_readable(connection, claimed)
        return [found[id_] for id_ in claimed if id_ in found]

    @writes
    async def save_sent_heartbeats(
        self, connection: Connection, heartbeats: Sequence[SentHeartbeat]
    ) -> None:
        await apply_all(
            connection,
            _SAVE_SENT,
            heartbeats,
            apply=apply_sent_heartbeat,
            database=self._database,
        )

    @writes
    async def postpone_heartbeats(
        self, connection: Connection, callback_ids: Sequence[CallbackId], wait: timedelta | None
    ) -> None:
        await lock(connection, callback_ids)
        now = await self._database.now(connection)
        if wait is None:
            await connection.execute(_GIVE_UP, {"ids": callback_ids, "now": now})
        else:
            await connection.execute(_POSTPONE, {"ids": callback_ids, "until": now + wait})

    @reads
    async def next_heartbeat(self, connection: Connection) -> timedelta | None:
        return await time_until(self._database, connection, _NEXT_DUE)
