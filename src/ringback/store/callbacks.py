"""Asking and answering, on a SQL database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from ringback.domain.callback import Callback, State
from ringback.domain.errors import UnreadableCallbackError
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId, OutcomeId, schema_id
from ringback.domain.opening import OpenRequest, OpenResult, find_or_create
from ringback.domain.outcome import KINDS, body_of, to_fields
from ringback.domain.terms import Terms
from ringback.ports.store import EVIDENCE_BYTES, Answer, Expiry
from ringback.store import mapping
from ringback.store.accepting import accept, find_terms
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.events import record
from ringback.store.queries import execute_each, find, lock, parts
from ringback.store.statements import callbacks as statements
from ringback.store.transactions import reads, writes
from ringback.store.unreadable import read_rows


class SqlCallbacks:
    """`CallbackStore` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Keep everything in `database`, whose schema is the newest."""
        self._database = database
        #: Schemas that are in the store for good: none is ever deleted.
        self._kept_schemas: set[str] = set()

    async def open(self, requests: Sequence[OpenRequest]) -> Sequence[Callback]:
        while True:
            try:
                opened = await self._open(requests)
            except _OvertakenError:
                # What overtook this is there now: the next time it is found.
                continue
            self._kept_schemas.update(one.schema_id for one in opened if one.schema_id is not None)
            return opened

    @writes
    async def _open(
        self, connection: Connection, requests: Sequence[OpenRequest]
    ) -> Sequence[Callback]:
        keys = [
            mapping.activity_key(one.ref, follow_reset=one.options.follow_reset) for one in requests
        ]
        latest = await _locked_rounds(connection, keys)
        now = await self._database.now(connection)
        results: list[OpenResult] = []
        for key, request in zip(keys, requests, strict=True):
            one = find_or_create(latest.get(key), request, now)
            latest[key] = one.callback
            results.append(one)
        await self._keep_schemas(connection, requests)
        await self._write(connection, results, now)
        return [one.callback for one in results]

    async def _keep_schemas(self, connection: Connection, requests: Sequence[OpenRequest]) -> None:
        wanted = {one.result_schema for one in requests if one.result_schema is not None}
        texts = {schema_id(text): text for text in wanted}
        if texts.keys() <= self._kept_schemas:
            return
        known = await _schemas(connection, texts)
        missing = [{"id": id_, "text": texts[id_]} for id_ in sorted(texts) if id_ not in known]
        await execute_each(connection, statements.KEEP_SCHEMA[self._database.dialect], missing)

    async def _write(
        self, connection: Connection, results: Sequence[OpenResult], now: datetime
    ) -> None:
        happened = [event for one in results for event in one.events]
        begun = {event.callback_id for event in happened if event.kind is EventKind.OPENED}
        changed = {callback.id: callback for one in results for callback in one.changed}
        known = [callback for id_, callback in sorted(changed.items()) if id_ not in begun]
        over = [mapping.from_end(one) for one in known if one.state is State.EXPIRED]
        again = [mapping.from_attempt(one, now) for one in known if one.state is not State.EXPIRED]
        await execute_each(connection, statements.EXPIRE, over)
        await execute_each(connection, statements.ASK_AGAIN, again)
        await self._make(connection, [changed[id_] for id_ in begun])
        await record(connection, happened)

    async def _make(self, connection: Connection, begun: Sequence[Callback]) -> None:
        # In the order of their keys: of two that make the same ones, one waits for the other.
        values = sorted((mapping.from_callback(one) for one in begun), key=_key_and_round)
        await execute_each(connection, statements.MAKE[self._database.dialect], values)
        ids = {callback.id for callback in begun}
        made = await connection.execute(statements.MADE, {"ids": ids})
        if ids != {row.id for row in made}:
            raise _OvertakenError
        tags = [{"tag": tag, "callback_id": one.id} for one in begun for tag in one.options.tags]
        await execute_each(connection, statements.TAG, tags)

    @writes
    async def mark_submitted(
        self, connection: Connection, callback_ids: Sequence[CallbackId]
    ) -> None:
        now = await self._database.hold(connection, callback_ids)
        marking = {"ids": callback_ids, "now": now}
        marked = [row.id for row in await connection.execute(statements.SUBMITTED, marking)]
        await record(connection, [Event(id_, now, EventKind.SUBMITTED, {}) for id_ in marked])

    @reads
    async def terms(
        self, connection: Connection, callback_ids: Sequence[CallbackId]
    ) -> Mapping[CallbackId, Terms]:
        return await find_terms(connection, callback_ids)

    async def accept(self, answers: Sequence[Answer]) -> Sequence[datetime | None]:
        accepted = await self._accept(answers)
        if accepted:
            self._database.announce_accepted()
        return [accepted.get(answer.id) for answer in answers]

    @writes
    async def _accept(
        self, connection: Connection, answers: Sequence[Answer]
    ) -> dict[OutcomeId, datetime]:
        return await accept(self._database, connection, answers)

    @writes
    async def keep_evidence(self, connection: Connection, answers: Sequence[Answer]) -> None:
        known = await lock(connection, [answer.callback_id for answer in answers])
        now = await self._database.now(connection)
        for answer in answers:
            if answer.callback_id in known:
                evidence = mapping.from_event(_evidence(answer, now))
                await connection.execute(statements.KEEP_EVIDENCE, evidence)

    async def expire(self, expiries: Sequence[Expiry]) -> None:
        for part in parts(expiries):
            await self._expire(part)

    @writes
    async def _expire(self, connection: Connection, expiries: Sequence[Expiry]) -> None:
        reasons = {(one.callback_id, one.attempt_started_at): one.reason for one in expiries}
        ids = [one.callback_id for one in expiries]
        await lock(connection, ids)
        now = await self._database.now(connection)
        result = await connection.execute(statements.UNANSWERED, {"ids": ids})
        asked = [(CallbackId(row.id), row.attempt_started_at) for row in result]
        over = {one[0]: reasons[one] for one in asked if one in reasons}
        values = [{"callback_id": id_, "now": now, "reason": why} for id_, why in over.items()]
        await execute_each(connection, statements.EXPIRE, values)
        expired = [Event(id_, now, EventKind.EXPIRED, {"reason": why}) for id_, why in over.items()]
        await record(connection, expired)

    @reads
    async def find(
        self, connection: Connection, callback_ids: Sequence[CallbackId]
    ) -> Mapping[CallbackId, Callback]:
        return await find(connection, callback_ids)

    @reads
    async def schemas(self, connection: Connection, schema_ids: Sequence[str]) -> Mapping[str, str]:
        return await _schemas(connection, schema_ids)


class _OvertakenError(Exception):
    """Another transaction made a callback that this one would have made, or was to find."""


async def _locked_rounds(connection: Connection, keys: Sequence[str]) -> dict[str, Callback]:
    """Return the latest callback of each activity, with all its callbacks locked.

    Raises:
        _OvertakenError: One was made while this waited for the lock of an earlier one.
        UnreadableCallbackError: The row of one cannot be read.
    """
    wanted = {"keys": keys}
    locked = {row.id for row in await connection.execute(statements.LOCK_ROUNDS, wanted)}
    if not locked:
        # One that is made meanwhile is there when the first round is to be made.
        return {}
    found = list(await connection.execute(statements.ROUNDS, wanted))
    if not locked.issuperset(row.id for row in found):
        raise _OvertakenError
    latest, unreadable = read_rows(found, mapping.to_callback, key="id")
    if unreadable:
        raise UnreadableCallbackError(CallbackId(unreadable[0].id))
    key_of = {row.id: row.activity_key for row in found}
    return {key_of[callback.id]: callback for callback in latest}


async def _schemas(connection: Connection, ids: Collection[str]) -> dict[str, str]:
    if not ids:
        return {}
    result = await connection.execute(statements.SCHEMAS, {"ids": ids})
    return {row.id: row.text for row in result}


def _key_and_round(row: Mapping[str, object]) -> tuple[str, str]:
    return str(row["activity_key"]), str(row["generation"])


def _evidence(answer: Answer, now: datetime) -> Event:
    body = body_of(answer.outcome) or b""
    facts: dict[str, object] = {
        "kind": KINDS[type(answer.outcome)],
        **to_fields(answer.outcome),
        "body": body[:EVIDENCE_BYTES].decode("utf-8", "replace"),
    }
    return Event(answer.callback_id, now, EventKind.ANSWERED_DIFFERENTLY, facts)
