"""The outbox of messages to people."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import ColumnElement, bindparam, case, func, not_, select, update

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.inbox import UnsentMessages
from ringback.domain.notification import (
    ESCALATION,
    Notification,
    NotificationStatus,
    escalations_of,
    failed_entry,
    notification_id,
    notifications_for,
    sent_entry,
)
from ringback.ports.notifications import Failure, Shown
from ringback.store.assignments import touch_assignments
from ringback.store.bulk_params import INSERTS, Instant, any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.outbox_tables import notifications
from ringback.store.queries import execute_each, lock, record, time_until
from ringback.store.unreadable import AnyRow, RowTypes, read_rows

_FIELDS: Final = tuple(field.name for field in fields(Notification))
_get_fields: Final = attrgetter(*_FIELDS)
_COLUMNS: Final = [notifications.c[name] for name in _FIELDS]

_TYPES: Final = RowTypes(_COLUMNS)

#: Store each notification once.
_ADD: Final = {
    dialect: insert_into(notifications).on_conflict_do_nothing(index_elements=["id"])
    for dialect, insert_into in INSERTS.items()
}

_now: ColumnElement[datetime] = bindparam("now", type_=Instant)

#: Due notifications that no other gateway has claimed; locked until the commit.
_due = (
    select(notifications.c.id)
    .where(
        notifications.c.due_at <= _now,
        notifications.c.held_until.is_(None) | (notifications.c.held_until <= _now),
        not_(any_of(notifications.c.channel, "excluded")),
    )
    .order_by(notifications.c.due_at)
    .limit(bindparam("limit"))
    .with_for_update(skip_locked=True)
    .cte("due")
)

CLAIM: Final = (
    update(notifications)
    .where(notifications.c.id == _due.c.id)
    .values(
        due_at=bindparam("until", type_=Instant),
        held_until=bindparam("until", type_=Instant),
        tries=notifications.c.tries + 1,
    )
    .returning(*_COLUMNS)
)

#: The claim has not been replaced by a later one.
_is_this_claim: ColumnElement[bool] = (notifications.c.id == bindparam("id_")) & (
    notifications.c.held_until == bindparam("claim", type_=Instant)
)

#: A change of the callback since the claim has set another due time, which stays.
_next_due_at: ColumnElement[Any] = case(
    (notifications.c.version == bindparam("version_"), bindparam("next_due", type_=Instant)),
    else_=notifications.c.due_at,
)

_END: Final = (
    update(notifications)
    .where(_is_this_claim)
    .values(
        due_at=_next_due_at,
        held_until=None,
        tries=0,
        failing_since=None,
        last_error=bindparam("why"),
        sent_at=bindparam("sent_at_", type_=Instant),
        reminded_at=bindparam("reminded_at_", type_=Instant),
        shown=bindparam("shown_"),
        subject=bindparam("subject_"),
        ref=bindparam("ref_", type_=notifications.c.ref.type),
    )
)

_FAIL: Final = (
    update(notifications)
    .where(_is_this_claim)
    .values(
        due_at=_next_due_at,
        held_until=None,
        failing_since=func.coalesce(notifications.c.failing_since, _now),
        last_error=bindparam("why"),
    )
)

NEXT_DUE: Final = select(func.min(notifications.c.due_at)).where(
    notifications.c.due_at.is_not(None)
)

_STATUS: Final = (
    select(*_COLUMNS, notifications.c.due_at)
    .where(
        notifications.c.callback_id == bindparam("callback_id"),
        notifications.c.channel != ESCALATION,
    )
    .order_by(notifications.c.channel, notifications.c.recipient)
)

#: `count` of a column counts the rows where it is set.
_UNSENT: Final = (
    select(
        notifications.c.callback_id,
        notifications.c.channel,
        func.count().label("messages"),
        func.count(notifications.c.due_at).label("retrying"),
        func.min(notifications.c.last_error).label("last_error"),
    )
    .where(
        any_of(notifications.c.callback_id, "ids"),
        notifications.c.last_error.is_not(None),
        notifications.c.channel != ESCALATION,
    )
    .group_by(notifications.c.callback_id, notifications.c.channel)
    .order_by(notifications.c.callback_id, notifications.c.channel)
)


async def find_unsent(
    connection: Connection, ids: Collection[CallbackId]
) -> Mapping[CallbackId, Sequence[UnsentMessages]]:
    """Return the messages about these callbacks that could not be sent, by channel."""
    found: dict[CallbackId, list[UnsentMessages]] = defaultdict(list)
    for row in await connection.execute(_UNSENT, {"ids": ids}):
        unsent = UnsentMessages(row.channel, row.messages, row.retrying > 0, row.last_error)
        found[row.callback_id].append(unsent)
    return found


async def add_notifications(
    connection: Connection, asked: Iterable[Callback], now: datetime
) -> None:
    """Add the notifications of callbacks for people who have none yet, and the escalations."""
    rows = [
        _from_notification(one, due_at)
        for callback in asked
        for one, due_at in [
            *((one, now) for one in notifications_for(callback)),
            *escalations_of(callback),
        ]
    ]
    await execute_each(connection, _ADD[connection.dialect.name], rows)


class SqlNotificationOutbox(SqlPart):
    """`NotificationOutbox` on a SQL database."""

    @writes
    async def claim_notifications(
        self,
        connection: Connection,
        *,
        limit: int,
        lease: timedelta,
        excluded: Collection[str] = (),
    ) -> Sequence[Notification]:
        now = await self._database.now(connection)
        values = {"now": now, "limit": limit, "until": now + lease, "excluded": excluded}
        claimed, _ = read_rows(await connection.execute(CLAIM, values), _to_notification)
        return claimed

    @writes
    async def end_notification(self, connection: Connection, shown: Shown) -> None:
        claimed = shown.notification
        is_repaired = claimed.last_error is not None and not shown.is_same
        if is_repaired:
            await lock(connection, [claimed.callback_id])
        now = await self._database.now(connection)
        asked_at = now if shown.was_asked else claimed.reminded_at
        wait = shown.next_in
        values = {
            **_claim_of(claimed),
            "next_due": None if wait is None or asked_at is None else asked_at + wait,
            "sent_at_": claimed.sent_at or (now if shown.was_asked else None),
            "reminded_at_": asked_at,
            "shown_": shown.shown,
            "subject_": shown.subject,
            "ref_": None if shown.ref is None else dict(shown.ref),
            "why": claimed.last_error if shown.is_same else None,
        }
        result = await connection.execute(_END, values)
        if result.rowcount and shown.was_asked:
            await record(connection, [sent_entry(claimed, now)])
        if result.rowcount and is_repaired:
            await touch_assignments(connection, [claimed.callback_id], now)

    @writes
    async def fail_notification(self, connection: Connection, failure: Failure) -> None:
        claimed = failure.notification
        is_final = failure.wait is None
        is_news = is_final or claimed.failing_since is None
        if is_news:
            # Before its notification, as everybody else who changes both: no deadlock.
            await lock(connection, [claimed.callback_id])
        now = await self._database.now(connection)
        values = {
            **_claim_of(claimed),
            "now": now,
            "next_due": None if failure.wait is None else now + failure.wait,
            "why": failure.reason,
        }
        result = await connection.execute(_FAIL, values)
        if result.rowcount and is_news:
            entry = failed_entry(claimed, now, failure.reason, is_final=is_final)
            await record(connection, [entry])
            await touch_assignments(connection, [claimed.callback_id], now)

    @writes
    async def add_recipients(
        self, connection: Connection, claimed: Notification, recipients: Sequence[str]
    ) -> None:
        now = await self._database.now(connection)
        rows = [_from_notification(_to(claimed, recipient), now) for recipient in recipients]
        await execute_each(connection, _ADD[self._database.dialect], rows)
        values = {
            **_claim_of(claimed),
            **dict.fromkeys(("next_due", "sent_at_", "reminded_at_", "subject_", "ref_", "why")),
            "shown_": claimed.shown,
        }
        await connection.execute(_END, values)

    @reads
    async def next_notification(self, connection: Connection) -> timedelta | None:
        return await time_until(self._database, connection, NEXT_DUE)

    @reads
    async def notifications_of(
        self, connection: Connection, callback_id: CallbackId
    ) -> Sequence[NotificationStatus]:
        result = await connection.execute(_STATUS, {"callback_id": callback_id})
        found, _ = read_rows(result, _to_status)
        return found


def _to_notification(row: AnyRow) -> Notification:
    _TYPES.check(row[: len(_COLUMNS)])
    return Notification(*_get_fields(row))


def _to_status(row: AnyRow) -> NotificationStatus:
    state = "waiting" if row.sent_at is None else "sent"
    if row.last_error is not None:
        state = "failed" if row.due_at is None else "retrying"
    return NotificationStatus(
        channel=row.channel,
        recipient=row.recipient,
        state=state,
        sent_at=row.sent_at,
        reminded_at=row.reminded_at,
        due_at=row.due_at,
        tries=row.tries,
        last_error=row.last_error,
    )


def _from_notification(notification: Notification, due_at: datetime) -> dict[str, object]:
    return {
        "id": notification.id,
        "callback_id": notification.callback_id,
        "channel": notification.channel,
        "recipient": notification.recipient,
        "version": 0,
        "tries": 0,
        "due_at": due_at,
    }


def _to(claimed: Notification, recipient: str) -> Notification:
    id_ = notification_id(claimed.callback_id, claimed.channel, recipient)
    return Notification(id_, claimed.callback_id, claimed.channel, recipient)


def _claim_of(claimed: Notification) -> dict[str, object]:
    return {"id_": claimed.id, "claim": claimed.held_until, "version_": claimed.version}
