"""Telling the outside, from a SQL database."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Final

from ringback.domain.event import Event
from ringback.domain.webhook import (
    Webhook,
    WebhookId,
    delivered_event,
    failed_event,
    retrying_event,
)
from ringback.ports.webhook_outbox import WebhookEnd, WebhookRetry
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.events import record
from ringback.store.queries import execute_each, parts
from ringback.store.statements import webhook_outbox as statements
from ringback.store.transactions import reads, writes
from ringback.store.unreadable import AnyRow, read_rows
from ringback.store.webhook_rows import to_webhook

_NO_ORIGIN: Final = "no origin"
"""No address begins so."""


class SqlNotices:
    """`WebhookOutbox` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Keep everything in `database`, whose schema is the newest."""
        self._database = database

    @writes
    async def claim_webhooks(
        self, connection: Connection, *, limit: int, lease: timedelta, but: Collection[str] = ()
    ) -> Sequence[Webhook]:
        """See `WebhookOutbox.claim_webhooks`."""
        assert len(but) <= len(statements.ORIGINS), "see `MOST_ORIGINS`"
        origins = dict(zip(statements.ORIGINS, chain(but, repeat(_NO_ORIGIN)), strict=False))
        now = await self._database.now(connection)
        values = {"now": now, "limit": limit, "until": now + lease, **origins}
        result = await connection.execute(statements.CLAIM, values)
        webhooks, _ = read_rows(result, to_webhook)
        return sorted(webhooks, key=_at)

    async def end_webhooks(self, ends: Sequence[WebhookEnd]) -> None:
        """See `WebhookOutbox.end_webhooks`."""
        for part in parts(ends):
            await self._end_notices(part)

    @writes
    async def _end_notices(self, connection: Connection, ends: Sequence[WebhookEnd]) -> None:
        first = {end.webhook_id: end for end in reversed(ends)}
        waiting = await _waiting(connection, first)
        now = await self._database.now(connection)
        ended = [(to_webhook(row), first[WebhookId(row.id)].last_error) for row in waiting]
        values = [{"webhook_id": one.id, "now": now, "why": why} for one, why in ended]
        await execute_each(connection, statements.END, values)
        await record(connection, [_end_of(one, now, why) for one, why in ended])

    async def postpone_webhooks(self, postponements: Sequence[WebhookRetry]) -> None:
        """See `WebhookOutbox.postpone_webhooks`."""
        for part in parts(postponements):
            await self._postpone_notices(part)

    @writes
    async def _postpone_notices(
        self, connection: Connection, postponements: Sequence[WebhookRetry]
    ) -> None:
        waiting = await _waiting(connection, (item.webhook_id for item in postponements))
        now = await self._database.now(connection)
        values = [
            {
                "webhook_id": item.webhook_id,
                "tries_": item.tries,
                "due": now + item.wait,
                "why": item.last_error,
            }
            for item in postponements
        ]
        await execute_each(connection, statements.POSTPONE, values)
        troubles = {(item.webhook_id, item.tries): item.last_error for item in postponements}
        news = [
            retrying_event(to_webhook(row), now, troubles[row.id, row.tries])
            for row in waiting
            if row.last_error is None and (row.id, row.tries) in troubles
        ]
        await record(connection, news)

    @reads
    async def next_webhook(self, connection: Connection) -> timedelta | None:
        """See `WebhookOutbox.next_webhook`."""
        due_at: datetime | None = await connection.scalar(statements.NEXT_DUE)
        if due_at is None:
            return None
        return max(timedelta(0), due_at - await self._database.now(connection))


async def _waiting(connection: Connection, ids: Iterable[WebhookId]) -> Sequence[AnyRow]:
    """Return those of the notices that have no end, held until the commit."""
    return list(await connection.execute(statements.WAITING, {"ids": ids}))


def _end_of(webhook: Webhook, at: datetime, last_error: str | None) -> Event:
    return (
        delivered_event(webhook, at)
        if last_error is None
        else failed_event(webhook, at, last_error)
    )


def _at(webhook: Webhook) -> datetime:
    return webhook.at
