"""The outbox of webhooks that are not received yet."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, String, bindparam, func, not_, select, update

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.ids import CallbackId
from ringback.domain.webhook import (
    Webhook,
    WebhookId,
    delivered_entry,
    failed_entry,
    retrying_entry,
)
from ringback.ports.webhooks import MAX_ORIGINS, WebhookEnd, WebhookRetry
from ringback.store.bulk_params import Instant, any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.outbox_tables import webhooks
from ringback.store.queries import execute_each, parts, record, time_until
from ringback.store.tables import callbacks
from ringback.store.unreadable import AnyRow, RowTypes, read_rows

CLAIMED: Final = [
    webhooks.c[name] for name in ("id", "callback_id", "url", "kind", "at", "facts", "tries")
]
"""The columns that `to_webhook` reads."""

_TYPES: Final = RowTypes(CLAIMED)


def to_webhook(row: AnyRow) -> Webhook:
    """Return the webhook of a row; further columns may follow those of `CLAIMED`."""
    _TYPES.check(row[: len(CLAIMED)])
    urlsplit(row.url)
    return Webhook(
        id=WebhookId(row.id),
        callback_id=CallbackId(row.callback_id),
        url=row.url,
        kind=AuditKind(row.kind),
        at=row.at,
        facts=row.facts,
        tries=row.tries,
    )


def _to_claimed(row: AnyRow) -> Webhook:
    return replace(to_webhook(row), traceparent=row.traceparent)


_is_waiting = webhooks.c.ended_at.is_(None)

#: The parameters for the origins that a claim excludes.
ORIGINS: Final = tuple(f"origin_{number}" for number in range(MAX_ORIGINS))


def _goes_to(name: str) -> ColumnElement[bool]:
    origin = bindparam(name, type_=String)
    return func.substr(webhooks.c.url + "/", 1, func.length(origin)) == origin


#: Due webhooks that no other gateway has claimed; locked until the commit.
_due = (
    select(webhooks.c.id)
    .where(
        _is_waiting,
        webhooks.c.due_at <= bindparam("now", type_=Instant),
        *(not_(_goes_to(name)) for name in ORIGINS),
    )
    .order_by(webhooks.c.due_at, webhooks.c.id)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)

#: The trace context of the activity.
_traceparent = (
    select(callbacks.c.traceparent)
    .where(callbacks.c.id == webhooks.c.callback_id)
    .scalar_subquery()
    .label("traceparent")
)

CLAIM: Final = (
    update(webhooks)
    .where(webhooks.c.id == _due.c.id)
    .values(due_at=bindparam("until", type_=Instant), tries=webhooks.c.tries + 1)
    .returning(*CLAIMED, _traceparent)
)

#: The webhooks among these that have not ended; locked until the commit.
WAITING: Final = (
    select(*CLAIMED, webhooks.c.last_error)
    .where(any_of(webhooks.c.id, "ids"), _is_waiting)
    .order_by(webhooks.c.id)
    .with_for_update()
)

END: Final = (
    update(webhooks)
    .where(webhooks.c.id == bindparam("webhook_id"), _is_waiting)
    .values(ended_at=bindparam("now", type_=Instant), last_error=bindparam("why"))
)

POSTPONE: Final = (
    update(webhooks)
    .where(webhooks.c.id == bindparam("webhook_id"), _is_waiting)
    .where(webhooks.c.tries == bindparam("tries_"))
    .values(due_at=bindparam("due", type_=Instant), last_error=bindparam("why"))
)

NEXT_DUE: Final = select(func.min(webhooks.c.due_at)).where(_is_waiting)


_NO_ORIGIN: Final = "no origin"
"""No URL begins with this text."""


class SqlWebhookOutbox(SqlPart):
    """`WebhookOutbox` on a SQL database."""

    @writes
    async def claim_webhooks(
        self,
        connection: Connection,
        *,
        limit: int,
        lease: timedelta,
        excluded: Collection[str] = (),
    ) -> Sequence[Webhook]:
        assert len(excluded) <= len(ORIGINS), "a claim excludes at most `MAX_ORIGINS` origins"
        origins = dict(zip(ORIGINS, chain(excluded, repeat(_NO_ORIGIN)), strict=False))
        now = await self._database.now(connection)
        values = {"now": now, "limit": limit, "until": now + lease, **origins}
        result = await connection.execute(CLAIM, values)
        webhooks, _ = read_rows(result, _to_claimed)
        return sorted(webhooks, key=_at)

    async def end_webhooks(self, ends: Sequence[WebhookEnd]) -> None:
        for part in parts(ends):
            await self._end_webhooks(part)

    @writes
    async def _end_webhooks(self, connection: Connection, ends: Sequence[WebhookEnd]) -> None:
        first = {end.webhook_id: end for end in reversed(ends)}
        waiting = await _waiting(connection, first)
        now = await self._database.now(connection)
        ended = [(to_webhook(row), first[WebhookId(row.id)].last_error) for row in waiting]
        values = [{"webhook_id": one.id, "now": now, "why": why} for one, why in ended]
        await execute_each(connection, END, values)
        await record(connection, [_end_of(one, now, why) for one, why in ended])

    async def postpone_webhooks(self, postponements: Sequence[WebhookRetry]) -> None:
        for part in parts(postponements):
            await self._postpone_webhooks(part)

    @writes
    async def _postpone_webhooks(
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
        await execute_each(connection, POSTPONE, values)
        errors = {(item.webhook_id, item.tries): item.last_error for item in postponements}
        retries = [
            retrying_entry(to_webhook(row), now, errors[row.id, row.tries])
            for row in waiting
            if row.last_error is None and (row.id, row.tries) in errors
        ]
        await record(connection, retries)

    @reads
    async def next_webhook(self, connection: Connection) -> timedelta | None:
        return await time_until(self._database, connection, NEXT_DUE)


async def _waiting(connection: Connection, ids: Iterable[WebhookId]) -> Sequence[AnyRow]:
    """Return the rows of those webhooks that have not ended, locked until the commit."""
    return list(await connection.execute(WAITING, {"ids": ids}))


def _end_of(webhook: Webhook, at: datetime, last_error: str | None) -> AuditEntry:
    return (
        delivered_entry(webhook, at)
        if last_error is None
        else failed_entry(webhook, at, last_error)
    )


def _at(webhook: Webhook) -> datetime:
    return webhook.at
