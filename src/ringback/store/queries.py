"""Queries that several parts of the store use: lock callbacks, and find them.

A transaction that decides on callbacks locks their rows first, in the order of their ids (`lock`),
and reads what it decides on in a later statement: on PostgreSQL a statement that had to wait for a
lock sees every row but the locked one as it was before. Other rows are locked in the order of their
ids, too, so that two batches never wait for each other. Each statement is built once and repeats
the condition that guards it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, TypeVar

from sqlalchemy import Column, ColumnElement, Executable, exists, null, select

from ringback.domain.callback import Callback
from ringback.domain.errors import UnreadableCallbackError
from ringback.domain.ids import CallbackId
from ringback.store import mapping
from ringback.store.bulk_params import any_of
from ringback.store.database import Connection
from ringback.store.mapping import OUTCOME_COLUMNS
from ringback.store.tables import callbacks, outcomes
from ringback.store.unreadable import read_rows

_PART: Final = 256
"""Maximum number of callbacks that one statement reads or writes where there may be thousands."""

T = TypeVar("T")

#: A callback with its outcome, if it has one.
CALLBACKS: Final = select(callbacks, *OUTCOME_COLUMNS).outerjoin_from(callbacks, outcomes)

#: What may be large, and may be secret: no list shows it.
_UNLISTED: Final = frozenset({"task_token", "on_deadline_body", "details", "body"})


def _listed(column: Column[Any]) -> ColumnElement[Any]:
    return null().label(column.name) if column.name in _UNLISTED else column


#: What a list shows of a callback and its outcome, in the same columns.
LISTED: Final = [_listed(column) for column in [*callbacks.c, *OUTCOME_COLUMNS]]

_FIND: Final = CALLBACKS.where(any_of(callbacks.c.id, "ids"))

HAS_OUTCOME: Final = exists().where(outcomes.c.callback_id == callbacks.c.id).correlate(callbacks)

#: Neither answered nor closed.
IS_OPEN: Final = callbacks.c.closed_at.is_(None) & ~HAS_OUTCOME

#: Nobody else decides on these callbacks until the commit; the audit trail may still point at them.
_LOCK: Final = (
    select(callbacks.c.id)
    .where(any_of(callbacks.c.id, "ids"))
    .order_by(callbacks.c.id)
    .with_for_update(key_share=True)
)


async def lock(connection: Connection, ids: Iterable[CallbackId]) -> frozenset[CallbackId]:
    """Let nobody else decide on these callbacks until the commit; return those that exist."""
    locked: set[CallbackId] = set()
    # In the order of ids from part to part, too: two that lock the same ones never cross.
    for part in parts(sorted(set(ids))):
        result = await connection.execute(_LOCK, {"ids": part})
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
        result = await connection.execute(_FIND, {"ids": part})
        readable, others = read_rows(result, mapping.to_callback, key="id")
        found += readable
        unreadable += (CallbackId(row.id) for row in others)
    return {callback.id: callback for callback in found}, unreadable


async def execute_each(
    connection: Connection, statement: Executable, values: Sequence[Mapping[str, Any]]
) -> None:
    """Execute `statement` once with each of `values`, which may be none."""
    if values:
        await connection.execute(statement, values)


def parts(items: Iterable[T], size: int = _PART) -> Iterator[list[T]]:
    """Yield `items` in their order, at most `size` at a time; nothing if there are none."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part
