"""Keep the inboxes of people up to date, in the transactions that change callbacks."""

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, delete, insert, update

from ringback.domain.callback import Callback
from ringback.domain.ids import CallbackId
from ringback.domain.inbox import inboxes_of, search_text, sort_time
from ringback.store.bulk_params import Instant, any_of
from ringback.store.database import Connection
from ringback.store.queries import execute_each
from ringback.store.tables import assignments, search_texts

_ADD: Final = insert(assignments)

_ADD_TEXT: Final = insert(search_texts)

_REMOVE: Final = delete(assignments).where(assignments.c.callback_id == bindparam("of_callback"))

_NOW: Final = bindparam("now", type_=Instant)

_SET_DUE: Final = (
    update(assignments)
    .where(
        assignments.c.callback_id == bindparam("of_callback"),
        assignments.c.due_at != bindparam("due", type_=Instant),
    )
    .values(due_at=bindparam("due", type_=Instant), changed_at=_NOW)
)

_of_callbacks = any_of(assignments.c.callback_id, "ids")

_END: Final = (
    update(assignments)
    .where(_of_callbacks, assignments.c.ended_at.is_(None))
    .values(ended_at=_NOW, changed_at=_NOW)
)

_TOUCH: Final = update(assignments).where(_of_callbacks).values(changed_at=_NOW)


async def assign(connection: Connection, opened: Collection[Callback], now: datetime) -> None:
    """Put new callbacks into the inboxes of those who are asked."""
    await _add(connection, opened, now)
    texts = [{"callback_id": one.id, "text": search_text(one)} for one in opened if inboxes_of(one)]
    await execute_each(connection, _ADD_TEXT, texts)


async def assign_again(connection: Connection, callback: Callback, now: datetime) -> None:
    """Put an open callback into the inboxes of those who are asked now, and into no others."""
    await connection.execute(_REMOVE, {"of_callback": callback.id})
    await _add(connection, [callback], now)


async def change_due_times(
    connection: Connection, changed: Iterable[Callback], now: datetime
) -> None:
    """Sort open callbacks in their inboxes by their deadlines as they are now."""
    rows = [
        {"of_callback": one.id, "due": sort_time(one), "now": now}
        for one in changed
        if one.options.policy is not None
    ]
    await execute_each(connection, _SET_DUE, rows)


async def end_assignments(
    connection: Connection, ids: Collection[CallbackId], now: datetime
) -> None:
    """Mark callbacks in their inboxes as answered or expired."""
    if ids:
        await connection.execute(_END, {"ids": ids, "now": now})


async def touch_assignments(
    connection: Connection, ids: Collection[CallbackId], now: datetime
) -> None:
    """Mark callbacks in their inboxes as changed."""
    if ids:
        await connection.execute(_TOUCH, {"ids": ids, "now": now})


async def _add(connection: Connection, callbacks: Iterable[Callback], now: datetime) -> None:
    rows = [
        {"inbox": inbox, "callback_id": one.id, "due_at": sort_time(one), "changed_at": now}
        for one in callbacks
        for inbox in sorted(inboxes_of(one))
    ]
    await execute_each(connection, _ADD, rows)
