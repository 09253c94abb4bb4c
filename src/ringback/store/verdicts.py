"""Settle outcomes: store verdicts with their proof."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Integer, Text, Update, bindparam, insert, select, update

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import MOVES, State
from ringback.domain.ids import CallbackId
from ringback.ports.deliveries import GiveUp, Settlement
from ringback.store.bulk_params import INSERTS, BulkRows, Instant, any_of
from ringback.store.database import Connection, SqlPart, writes
from ringback.store.deliveries import UNSETTLED
from ringback.store.queries import announce, lock, parts, record
from ringback.store.tables import audit_trail, callbacks, outcomes

_FINAL: Final = frozenset(state for state, moves in MOVES.items() if not moves)

_SETTLEMENTS: Final = BulkRows(
    "settlements",
    {
        "callback_id": Text(),
        "tries": Integer(),
        "verdict": Text(),
        "proof": outcomes.c.proof.type,
    },
)
"""The values that differ between settlements."""


def _bulk_values(dialect: str, settlements: Sequence[Settlement]) -> dict[str, object]:
    """Return settlements, at least one, as parameters of `_SETTLE`."""
    return _SETTLEMENTS.values(dialect, map(_as_row, settlements))


def _as_row(settlement: Settlement) -> tuple[str, int, str, str]:
    proof = json.dumps(settlement.proof)
    return settlement.callback_id, settlement.tries, settlement.verdict.value, proof


def _settle(dialect: str) -> Update:
    settled = _SETTLEMENTS.rows(dialect)
    return (
        update(outcomes)
        .where(outcomes.c.callback_id == settled.c.callback_id, outcomes.c.tries == settled.c.tries)
        .values(
            state=settled.c.verdict,
            verdict_at=bindparam("now", type_=Instant),
            proof=settled.c.proof,
            claimed_by=None,
        )
    )


#: Store the verdicts of locked, unsettled outcomes; skip those whose next try has begun.
_SETTLE: Final = {dialect: _settle(dialect) for dialect in INSERTS}

#: Close callbacks whose verdict is final.
_CLOSE: Final = (
    update(callbacks)
    .where(any_of(callbacks.c.id, "ids"))
    .values(closed_at=bindparam("now", type_=Instant))
)

#: Add the stored verdicts to the audit trail.
_RECORD: Final = insert(audit_trail).from_select(
    ["callback_id", "at", "kind", "facts"],
    select(outcomes.c.callback_id, outcomes.c.verdict_at, outcomes.c.state, outcomes.c.proof).where(
        any_of(outcomes.c.callback_id, "ids")
    ),
)


#: The outcome, if it is parked, no other try has begun since it was read, and no later attempt has
#: opened its callback; locked until the commit.
_PARKED_AS_READ: Final = (
    select(outcomes.c.callback_id)
    .join_from(outcomes, callbacks, callbacks.c.id == outcomes.c.callback_id)
    .where(
        outcomes.c.callback_id == bindparam("id"),
        outcomes.c.state == State.PARKED.value,
        outcomes.c.tries == bindparam("tries_"),
        callbacks.c.attempt_started_at == bindparam("started_at", type_=Instant),
    )
    .with_for_update(of=outcomes)
)


class SqlVerdicts(SqlPart):
    """`DeliveryQueue.settle` and `ParkedAnswers` on a SQL database."""

    async def give_up(self, end: GiveUp) -> bool:
        is_stored = await self._give_up(end)
        if is_stored:
            self._database.announce_settled([end.settlement.callback_id])
        return is_stored

    @writes
    async def _give_up(self, connection: Connection, end: GiveUp) -> bool:
        settlement = end.settlement
        callback_id = settlement.callback_id
        await lock(connection, [callback_id])
        values = {
            "id": callback_id,
            "tries_": settlement.tries,
            "started_at": end.attempt_started_at,
        }
        if await connection.scalar(_PARKED_AS_READ, values) is None:
            return False
        now = await self._database.now(connection)
        await record(connection, [AuditEntry(callback_id, now, AuditKind.GIVEN_UP, end.facts)])
        await self._write_verdicts(connection, [settlement])
        return True

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        for part in parts(settlements):
            settled = await self._settle(part)
            if settled:
                self._database.announce_settled(settled)

    @writes
    async def _settle(
        self, connection: Connection, settlements: Sequence[Settlement]
    ) -> Sequence[CallbackId]:
        first = {(item.callback_id, item.tries): item for item in reversed(settlements)}
        ids = [item.callback_id for item in settlements]
        await lock(connection, ids)
        result = await connection.execute(UNSETTLED, {"ids": ids})
        tries = [(CallbackId(row.callback_id), row.tries) for row in result]
        settled = [first[one] for one in tries if one in first]
        if settled:
            await self._write_verdicts(connection, settled)
        return [one.callback_id for one in settled]

    async def _write_verdicts(self, connection: Connection, settled: Sequence[Settlement]) -> None:
        now = await self._database.now(connection)
        dialect = self._database.dialect
        values = _bulk_values(dialect, settled) | {"now": now}
        await connection.execute(_SETTLE[dialect], values)
        ended = [one.callback_id for one in settled if one.verdict in _FINAL]
        await connection.execute(_CLOSE, {"ids": ended, "now": now})
        ids = [one.callback_id for one in settled]
        await connection.execute(_RECORD, {"ids": ids})
        await announce(connection, [_verdict(one, now) for one in settled])


def _verdict(settlement: Settlement, now: datetime) -> AuditEntry:
    kind = AuditKind(settlement.verdict.value)
    return AuditEntry(settlement.callback_id, now, kind, settlement.proof)
