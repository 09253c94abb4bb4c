"""Telling the outside, from a SQL database."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Final

from ringback.domain.event import Event
from ringback.domain.notice import Notice, NoticeId, not_told, not_told_yet, told
from ringback.ports.notices import NotYet, Told
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.notice_rows import to_notice
from ringback.store.statements import notices as statements
from ringback.store.steps import execute_each, parts, record
from ringback.store.transactions import reads, writes
from ringback.store.unreadable import AnyRow, read_rows

_NO_ORIGIN: Final = "no origin"
"""No address begins so."""


class SqlNotices:
    """`Notices` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Keep everything in `database`, whose schema is the newest."""
        self._database = database

    @writes
    async def claim_notices(
        self, connection: Connection, *, limit: int, lease: timedelta, but: Collection[str] = ()
    ) -> Sequence[Notice]:
        """See `Notices.claim_notices`."""
        assert len(but) <= len(statements.ORIGINS), "see `MOST_ORIGINS`"
        origins = dict(zip(statements.ORIGINS, chain(but, repeat(_NO_ORIGIN)), strict=False))
        now = await self._database.now(connection)
        values = {"now": now, "limit": limit, "until": now + lease, **origins}
        result = await connection.execute(statements.CLAIM, values)
        notices, _ = read_rows(result, to_notice)
        return sorted(notices, key=_at)

    async def end_notices(self, ends: Sequence[Told]) -> None:
        """See `Notices.end_notices`."""
        for part in parts(ends):
            await self._end_notices(part)

    @writes
    async def _end_notices(self, connection: Connection, ends: Sequence[Told]) -> None:
        first = {end.notice_id: end for end in reversed(ends)}
        waiting = await _waiting(connection, first)
        now = await self._database.now(connection)
        ended = [(to_notice(row), first[NoticeId(row.id)].trouble) for row in waiting]
        values = [{"notice_id": one.id, "now": now, "why": why} for one, why in ended]
        await execute_each(connection, statements.END, values)
        await record(connection, [_end_of(one, now, why) for one, why in ended])

    async def postpone_notices(self, postponements: Sequence[NotYet]) -> None:
        """See `Notices.postpone_notices`."""
        for part in parts(postponements):
            await self._postpone_notices(part)

    @writes
    async def _postpone_notices(
        self, connection: Connection, postponements: Sequence[NotYet]
    ) -> None:
        waiting = await _waiting(connection, (item.notice_id for item in postponements))
        now = await self._database.now(connection)
        values = [
            {
                "notice_id": item.notice_id,
                "tries_": item.tries,
                "due": now + item.wait,
                "why": item.trouble,
            }
            for item in postponements
        ]
        await execute_each(connection, statements.POSTPONE, values)
        troubles = {(item.notice_id, item.tries): item.trouble for item in postponements}
        news = [
            not_told_yet(to_notice(row), now, troubles[row.id, row.tries])
            for row in waiting
            if row.trouble is None and (row.id, row.tries) in troubles
        ]
        await record(connection, news)

    @reads
    async def next_notice(self, connection: Connection) -> timedelta | None:
        """See `Notices.next_notice`."""
        due_at: datetime | None = await connection.scalar(statements.NEXT_DUE)
        if due_at is None:
            return None
        return max(timedelta(0), due_at - await self._database.now(connection))


async def _waiting(connection: Connection, ids: Iterable[NoticeId]) -> Sequence[AnyRow]:
    """Return those of the notices that have no end, held until the commit."""
    return list(await connection.execute(statements.WAITING, {"ids": ids}))


def _end_of(notice: Notice, at: datetime, trouble: str | None) -> Event:
    return told(notice, at) if trouble is None else not_told(notice, at, trouble)


def _at(notice: Notice) -> datetime:
    return notice.at
