"""Claim the polls of senders that are due, and save what came of them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Integer, bindparam, select, update

from ringback.domain.callback import Callback, State
from ringback.domain.ids import CallbackId
from ringback.domain.polling import PollChange, apply_poll_change
from ringback.store.bulk_params import Instant, any_of
from ringback.store.database import Connection, SqlPart, writes
from ringback.store.queries import IS_OPEN, find_readable, parts
from ringback.store.tables import callbacks
from ringback.store.tracked import apply_all, update_columns

#: Due polls that no other gateway has claimed; locked until the commit.
DUE_SENDER_POLLS: Final = (
    select(callbacks.c.id)
    .where(
        IS_OPEN,
        callbacks.c.sender_poll_due_at <= bindparam("now", type_=Instant),
        callbacks.c.submitted_at.is_not(None),
    )
    .order_by(callbacks.c.sender_poll_due_at)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(of=callbacks, key_share=True, skip_locked=True)
)

_CLAIM: Final = (
    update(callbacks)
    .where(any_of(callbacks.c.id, "ids"))
    .values(sender_poll_due_at=bindparam("until", type_=Instant))
)

_SAVE: Final = update_columns(
    "sender_poll_due_at", "sender_poll_requested_at", "sender_poll_is_over", "default_due_at"
)


class SqlSenderPolls(SqlPart):
    """`SenderPollStore` on a SQL database."""

    @writes
    async def claim_sender_polls(
        self, connection: Connection, *, limit: int, lease: timedelta
    ) -> Sequence[Callback]:
        now = await self._database.now(connection)
        values = {"now": now, "limit": limit}
        due = [CallbackId(row.id) for row in await connection.execute(DUE_SENDER_POLLS, values)]
        if not due:
            return []
        await connection.execute(_CLAIM, {"ids": due, "until": now + lease})
        found = await find_readable(connection, due)
        # One may have been answered since this transaction began.
        return [one for id_ in due if (one := found.get(id_)) and one.state is State.OPEN]

    async def save_sender_polls(self, changes: Sequence[PollChange]) -> None:
        for part in parts(changes):
            await self._save_sender_polls(part)

    @writes
    async def _save_sender_polls(
        self, connection: Connection, changes: Sequence[PollChange]
    ) -> None:
        await apply_all(
            connection, _SAVE, changes, apply=apply_poll_change, database=self._database
        )
