"""Steps that several transactions are made of."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import Executable

from ringback.domain.callback import Callback
from ringback.domain.errors import UnreadableCallbackError
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.domain.webhook import NOTIFIED, webhooks_for
from ringback.store import rows
from ringback.store.connection import Connection
from ringback.store.statements import lookup, webhook_outbox
from ringback.store.unreadable import read_rows
from ringback.store.webhook_rows import from_webhook

PART: Final = 256
"""So many callbacks at most are read or written by one statement where there may be thousands."""

T = TypeVar("T")


async def lock(connection: Connection, ids: Iterable[CallbackId]) -> frozenset[CallbackId]:
    """Let nobody else decide on these callbacks until the commit; return those that exist."""
    locked: set[CallbackId] = set()
    # In the order of ids from part to part, too: two that lock the same ones never cross.
    for part in parts(sorted(set(ids))):
        result = await connection.execute(lookup.LOCK, {"ids": part})
        locked.update(CallbackId(row.id) for row in result)
    return frozenset(locked)


async def find(connection: Connection, ids: Iterable[CallbackId]) -> dict[CallbackId, Callback]:
    """Return those of the callbacks that exist.

    Raises:
        UnreadableCallbackError: The row of one cannot be read.
    """
    found, unreadable = await _find(connection, ids)
    if unreadable:
        raise UnreadableCallbackError(unreadable[0])
    return found


async def find_readable(
    connection: Connection, ids: Iterable[CallbackId]
) -> dict[CallbackId, Callback]:
    """Return those of the callbacks that exist and whose rows can be read."""
    found, _ = await _find(connection, ids)
    return found


async def _find(
    connection: Connection, ids: Iterable[CallbackId]
) -> tuple[dict[CallbackId, Callback], list[CallbackId]]:
    found: list[Callback] = []
    unreadable: list[CallbackId] = []
    for part in parts(ids):
        result = await connection.execute(lookup.FIND, {"ids": part})
        readable, others = read_rows(result, rows.to_callback, key="id")
        found += readable
        unreadable += (CallbackId(row.id) for row in others)
    return {callback.id: callback for callback in found}, unreadable


async def execute_each(
    connection: Connection, statement: Executable, values: Sequence[Mapping[str, Any]]
) -> None:
    """Execute `statement` once with each of `values`, which may be none."""
    if values:
        await connection.execute(statement, values)


async def record(connection: Connection, happened: Iterable[Event]) -> None:
    """Add events to the audit trail, and the notices that tell the outside of them.

    What decides on callbacks has locked them, or made them in this transaction. Ends of notices
    decide nothing on them, and lock none.
    """
    events = list(happened)
    await execute_each(connection, lookup.RECORD, [rows.from_event(event) for event in events])
    notified = [event for event in events if event.kind in NOTIFIED]
    if notified:
        await notify(connection, notified)


async def notify(connection: Connection, happened: Sequence[Event]) -> None:
    """Add the notices that tell the outside of events."""
    ids = list({event.callback_id for event in happened})
    result = await connection.execute(webhook_outbox.ADDRESSES, {"ids": ids})
    addresses = {row.id: (row.cancel_url, row.notify_url) for row in result}
    if not addresses:
        return
    to_tell = [
        webhook
        for event in happened
        if event.callback_id in addresses
        for webhook in webhooks_for(event, *addresses[event.callback_id])
    ]
    values = [from_webhook(webhook) for webhook in to_tell]
    await execute_each(connection, webhook_outbox.ADD_WEBHOOK[connection.dialect.name], values)


def parts(items: Iterable[T], size: int = PART) -> Iterator[list[T]]:
    """Yield `items` in their order, at most `size` at a time; nothing if there are none."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
