"""Steps that several transactions are made of."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Executable
from sqlalchemy.ext.asyncio import AsyncConnection

from ringback.domain.callback import Callback
from ringback.domain.event import Event
from ringback.domain.ids import CallbackId
from ringback.store import rows
from ringback.store.statements import lookup


async def lock(connection: AsyncConnection, ids: Iterable[CallbackId]) -> frozenset[CallbackId]:
    """Let nobody else decide on these callbacks until the commit; return those that exist."""
    result = await connection.execute(lookup.LOCK, {"ids": padded(ids)})
    return frozenset(CallbackId(row.id) for row in result)


async def find(
    connection: AsyncConnection, ids: Iterable[CallbackId]
) -> dict[CallbackId, Callback]:
    """Return those of the callbacks that exist."""
    wanted = padded(ids)
    if not wanted:
        return {}
    result = await connection.execute(lookup.FIND, {"ids": wanted})
    return {CallbackId(row.id): rows.to_callback(row) for row in result}


async def execute_each(
    connection: AsyncConnection, statement: Executable, values: Sequence[Mapping[str, Any]]
) -> None:
    """Execute `statement` once with each of `values`, which may be none."""
    if values:
        await connection.execute(statement, values)


async def record(connection: AsyncConnection, happened: Iterable[Event]) -> None:
    """Add events to the audit trail."""
    values = [rows.from_event(event) for event in happened]
    await execute_each(connection, lookup.RECORD, values)


def padded(ids: Iterable[str]) -> list[str]:
    """Return `ids`, some of them twice, so that lists come in few lengths.

    A statement is parsed anew for each length of a list in it.
    """
    known = sorted(set(ids))
    if not known:
        return known
    length: int = 1 << (len(known) - 1).bit_length()
    return known + known[-1:] * (length - len(known))
