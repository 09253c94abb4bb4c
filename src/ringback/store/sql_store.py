"""The store on a SQL database."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from ringback.domain.callback import MOVES, Callback, State, Wish, asks_anew
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId
from ringback.domain.outcome import KINDS, body_of, to_fields
from ringback.ports.store import (
    EVIDENCE_BYTES,
    Acceptance,
    Answer,
    NotTaken,
    Postponement,
    Settlement,
    Won,
)
from ringback.store import rows, statements
from ringback.store.database import Database

_ENDS: Final = frozenset(state for state, moves in MOVES.items() if not moves)


class SqlStore:
    """`CallbackStore`, `DeliveryQueue` and `CallbackIndex` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Keep everything in `database`, whose schema is the newest."""
        self._database = database
        self._open = statements.open_statement(database.dialect)
        self._accept = statements.accept_statement(database.dialect)

    async def open(self, wishes: Sequence[Wish]) -> Sequence[Callback]:
        """See `CallbackStore.open`."""
        keys = [rows.activity_key(wish.ref) for wish in wishes]
        async with self._database.writing() as connection:
            found = await _latest_rounds(connection, keys)
            if await self._make_missing(connection, wishes, found):
                found = await _latest_rounds(connection, keys)
            found |= await self._ask_again(connection, wishes, found)
        return [found[key] for key in keys]

    async def _make_missing(
        self, connection: AsyncConnection, wishes: Sequence[Wish], found: Mapping[str, Callback]
    ) -> bool:
        now = self._database.now()
        made: dict[str, dict[str, object]] = {}
        for wish in wishes:
            key = rows.activity_key(wish.ref)
            latest = found.get(key)
            if latest is None or asks_anew(latest):
                round_ = 1 if latest is None else latest.round + 1
                made.setdefault(key, rows.from_wish(wish, round_, now))
        if made:
            await connection.execute(self._open, list(made.values()))
            kept = await _find(connection, [CallbackId(str(row["id"])) for row in made.values()])
            opened = [
                Event(id_, now, EventKind.OPENED, {"attempt": callback.attempt})
                for id_, callback in kept.items()
            ]
            await _record(connection, opened)
        return bool(made)

    async def _ask_again(
        self, connection: AsyncConnection, wishes: Sequence[Wish], found: Mapping[str, Callback]
    ) -> dict[str, Callback]:
        now = self._database.now()
        asked: dict[str, Callback] = {}
        for wish in sorted(wishes, key=lambda wish: wish.attempt):
            key = rows.activity_key(wish.ref)
            callback = asked.get(key, found[key])
            if callback.attempt < wish.attempt:
                asked[key] = replace(callback, attempt=wish.attempt, deadline_at=wish.deadline_at)
        if asked:
            await connection.execute(
                statements.ASK_AGAIN, [rows.from_attempt(callback) for callback in asked.values()]
            )
            again = [
                Event(callback.id, now, EventKind.ASKED_AGAIN, {"attempt": callback.attempt})
                for callback in asked.values()
            ]
            await _record(connection, again)
        return asked

    async def mark_submitted(self, callback_ids: Sequence[CallbackId]) -> None:
        """See `CallbackStore.mark_submitted`."""
        now = self._database.now()
        async with self._database.writing() as connection:
            result = await connection.execute(statements.NOT_SUBMITTED, {"ids": list(callback_ids)})
            ids = [CallbackId(row.id) for row in result]
            await connection.execute(statements.SUBMITTED, {"ids": ids, "now": now})
            await _record(connection, [Event(id_, now, EventKind.SUBMITTED, {}) for id_ in ids])

    async def accept(self, answers: Sequence[Answer]) -> Sequence[Acceptance]:
        """See `CallbackStore.accept`."""
        now = self._database.now()
        ids = [answer.callback_id for answer in answers]
        async with self._database.writing() as connection:
            await connection.execute(
                self._accept, [rows.from_answer(answer, now) for answer in answers]
            )
            result = await connection.execute(statements.WINNERS, {"ids": ids})
            winners = {row.outcome_id for row in result}
            won = [answer for answer in answers if answer.id in winners]
            await _record(connection, [_accepted_event(answer, now) for answer in won])
            lost = [answer.callback_id for answer in answers if answer.id not in winners]
            found = await _find(connection, lost)
        return [
            Won(now) if answer.id in winners else NotTaken(found.get(answer.callback_id))
            for answer in answers
        ]

    async def keep_evidence(self, answers: Sequence[Answer]) -> None:
        """See `CallbackStore.keep_evidence`."""
        now = self._database.now()
        async with self._database.writing() as connection:
            for answer in answers:
                evidence = rows.from_event(_evidence(answer, now))
                await connection.execute(statements.KEEP_EVIDENCE, evidence)

    async def hand_over(
        self, callback_id: CallbackId, *, worker: str, attempt: int, lease: timedelta
    ) -> bool:
        """See `CallbackStore.hand_over`."""
        now = self._database.now()
        values = {
            "id": callback_id,
            "now": now,
            "until": now + lease,
            "worker": worker,
            "attempt": attempt,
        }
        async with self._database.writing() as connection:
            result = await connection.execute(statements.HAND_OVER, values)
            if result.rowcount == 0:
                return False
            facts: dict[str, object] = {"worker": worker, "attempt": attempt}
            handed = Event(callback_id, now, EventKind.HANDED_OVER, facts)
            await _record(connection, [handed])
            return True

    async def expire(self, reasons: Mapping[CallbackId, str]) -> None:
        """See `CallbackStore.expire`."""
        now = self._database.now()
        async with self._database.writing() as connection:
            result = await connection.execute(statements.UNANSWERED, {"ids": list(reasons)})
            ids = [CallbackId(row.id) for row in result]
            if ids:
                values = [{"callback_id": id_, "now": now, "reason": reasons[id_]} for id_ in ids]
                await connection.execute(statements.EXPIRE, values)
                expired = [
                    Event(id_, now, EventKind.EXPIRED, {"reason": reasons[id_]}) for id_ in ids
                ]
                await _record(connection, expired)

    async def find(self, callback_ids: Sequence[CallbackId]) -> Mapping[CallbackId, Callback]:
        """See `CallbackStore.find`."""
        async with self._database.reading() as connection:
            return await _find(connection, callback_ids)

    async def claim(self, owner: str, *, limit: int, lease: timedelta) -> Sequence[Callback]:
        """See `DeliveryQueue.claim`."""
        now = self._database.now()
        values = {"now": now, "limit": limit, "until": now + lease, "owner": owner}
        async with self._database.writing() as connection:
            claimed = [
                row.callback_id for row in await connection.execute(statements.CLAIM, values)
            ]
            found = await _find(connection, claimed)
        return sorted(found.values(), key=_accepted_at)

    async def release(self, owner: str) -> None:
        """See `DeliveryQueue.release`."""
        values = {"owner": owner, "now": self._database.now()}
        async with self._database.writing() as connection:
            await connection.execute(statements.RELEASE, values)

    async def postpone(self, postponements: Sequence[Postponement]) -> None:
        """See `DeliveryQueue.postpone`."""
        now = self._database.now()
        values = [
            {"id": item.callback_id, "due": now + item.wait, "why": item.reason}
            for item in postponements
        ]
        async with self._database.writing() as connection:
            await connection.execute(statements.POSTPONE, values)

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """See `DeliveryQueue.settle`."""
        now = self._database.now()
        first = {item.callback_id: item for item in reversed(settlements)}
        async with self._database.writing() as connection:
            result = await connection.execute(statements.UNSETTLED, {"ids": list(first)})
            settled = [first[CallbackId(row.callback_id)] for row in result]
            if settled:
                await self._write_verdicts(connection, settled, now)

    async def _write_verdicts(
        self, connection: AsyncConnection, settled: Sequence[Settlement], now: datetime
    ) -> None:
        values = [
            {"id": one.callback_id, "verdict": one.verdict.value, "now": now, "proof_": one.proof}
            for one in settled
        ]
        await connection.execute(statements.SETTLE, values)
        ended = [one.callback_id for one in settled if one.verdict in _ENDS]
        await connection.execute(statements.CLOSE, {"ids": ended, "now": now})
        verdicts = [
            Event(one.callback_id, now, EventKind(one.verdict.value), one.proof) for one in settled
        ]
        await _record(connection, verdicts)

    async def next_due(self) -> timedelta | None:
        """See `DeliveryQueue.next_due`."""
        async with self._database.reading() as connection:
            due_at: datetime | None = await connection.scalar(statements.NEXT_DUE)
        if due_at is None:
            return None
        return max(timedelta(0), due_at - self._database.now())

    async def page(
        self, *, states: frozenset[State], after: CallbackId | None, limit: int
    ) -> Sequence[Callback]:
        """See `CallbackIndex.page`."""
        is_over_included = not states.isdisjoint(_ENDS)
        statement = statements.PAGE if is_over_included else statements.PAGE_NOT_CLOSED
        values = {
            "states": [state.value for state in states],
            "after": after or "",
            "limit": limit,
        }
        async with self._database.reading() as connection:
            return [rows.to_callback(row) for row in await connection.execute(statement, values)]

    async def events(self, callback_id: CallbackId) -> Sequence[Event]:
        """See `CallbackIndex.events`."""
        async with self._database.reading() as connection:
            result = await connection.execute(statements.EVENTS, {"callback_id": callback_id})
            return [rows.to_event(row) for row in result]


async def _latest_rounds(connection: AsyncConnection, keys: Sequence[str]) -> dict[str, Callback]:
    result = await connection.execute(statements.ROUNDS, {"keys": list(set(keys))})
    return {row.activity_key: rows.to_callback(row) for row in result}


async def _find(
    connection: AsyncConnection, ids: Sequence[CallbackId]
) -> dict[CallbackId, Callback]:
    if not ids:
        return {}
    result = await connection.execute(statements.FIND, {"ids": list(ids)})
    return {CallbackId(row.id): rows.to_callback(row) for row in result}


async def _record(connection: AsyncConnection, happened: Sequence[Event]) -> None:
    if happened:
        await connection.execute(statements.RECORD, [rows.from_event(event) for event in happened])


def _accepted_event(answer: Answer, now: datetime) -> Event:
    facts: dict[str, object] = {"kind": KINDS[type(answer.outcome)], "outcome": answer.id}
    return Event(answer.callback_id, now, EventKind.ACCEPTED, facts)


def _evidence(answer: Answer, now: datetime) -> Event:
    body = body_of(answer.outcome) or b""
    facts: dict[str, object] = {
        "kind": KINDS[type(answer.outcome)],
        **to_fields(answer.outcome),
        "body": body[:EVIDENCE_BYTES].decode("utf-8", "replace"),
    }
    return Event(answer.callback_id, now, EventKind.ANSWERED_DIFFERENTLY, facts)


def _accepted_at(callback: Callback) -> datetime:
    assert callback.accepted is not None, "what was claimed has an outcome"
    return callback.accepted.accepted_at
