"""Open callbacks, mark them submitted, expire and find them, in a SQL database."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ringback.domain.callback import Callback, State
from ringback.domain.errors import UnreadableCallbackError
from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId, schema_id
from ringback.domain.opening import OpenRequest, OpenResult, find_or_create
from ringback.ports.store import Expiry
from ringback.store import mapping
from ringback.store.bulk_params import INSERTS, any_of
from ringback.store.database import Connection, Database, SqlPart, reads, writes
from ringback.store.events import record
from ringback.store.queries import CALLBACKS, IS_OPEN, execute_each, find, lock, parts
from ringback.store.tables import Instant, callbacks, schemas, tags
from ringback.store.unreadable import read_rows

_of_activities = any_of(callbacks.c.activity_key, "keys")

#: All rounds of the activities; nobody else asks for these activities until the commit.
LOCK_ROUNDS: Final = (
    select(callbacks.c.id)
    .where(_of_activities)
    .order_by(callbacks.c.id)
    .with_for_update(key_share=True)
)

#: All rounds of the activities, oldest first.
ROUNDS: Final = CALLBACKS.where(_of_activities).order_by(callbacks.c.generation)

MADE: Final = select(callbacks.c.id).where(any_of(callbacks.c.id, "ids"))

#: A later attempt asks the same question.
ASK_AGAIN: Final = (
    update(callbacks)
    .where(
        callbacks.c.id == bindparam("callback_id"),
        callbacks.c.attempt_started_at < bindparam("attempt_started_at_", type_=Instant),
    )
    .values(
        run_id=bindparam("run_id_"),
        attempt=bindparam("attempt_"),
        attempt_started_at=bindparam("attempt_started_at_", type_=Instant),
        task_token=bindparam("task_token_"),
        attempt_timeout_at=bindparam("attempt_timeout_at_"),
        default_due_at=bindparam("default_due_at_"),
        heartbeat=bindparam("heartbeat_"),
        heartbeat_timeout=bindparam("heartbeat_timeout_"),
        details=None,
        heartbeat_sent_at=None,
        heartbeat_due_at=bindparam("heartbeat_due_at_"),
        # What was claimed, or told, was of the attempt before.
        heartbeat_held_until=None,
        poll_due_at=bindparam("poll_due_at_"),
        poll_held_until=None,
        reset_at=None,
    )
)

SCHEMAS: Final = select(schemas).where(any_of(schemas.c.id, "ids"))

#: Mark those that were not known to be submitted; they are returned.
SUBMITTED: Final = (
    update(callbacks)
    .where(any_of(callbacks.c.id, "ids"), callbacks.c.submitted_at.is_(None))
    .values(submitted_at=bindparam("now", type_=Instant))
    .returning(callbacks.c.id)
)

#: Which of the callbacks were neither answered nor closed, and which attempt asked last.
UNANSWERED: Final = select(callbacks.c.id, callbacks.c.attempt_started_at).where(
    any_of(callbacks.c.id, "ids"), IS_OPEN
)

EXPIRE: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"), IS_OPEN)
    .values(closed_at=bindparam("now"), expired_because=bindparam("reason"), default_due_at=None)
)


def _ignoring(
    statement: sqlite.Insert | postgresql.Insert, *columns: str
) -> sqlite.Insert | postgresql.Insert:
    return statement.on_conflict_do_nothing(index_elements=columns)


#: Make a callback, unless another worker made it first.
MAKE: Final = {
    dialect: _ignoring(insert_into(callbacks), "activity_key", "generation")
    for dialect, insert_into in INSERTS.items()
}

TAG: Final = insert(tags)

#: Keep a schema, unless it is there.
KEEP_SCHEMA: Final = {
    dialect: _ignoring(insert_into(schemas), "id") for dialect, insert_into in INSERTS.items()
}


class SqlCallbacks(SqlPart):
    """`CallbackStore` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Store everything in `database`, whose schema is the newest."""
        super().__init__(database)
        #: Schemas known to be stored; none is ever deleted.
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
        await execute_each(connection, KEEP_SCHEMA[self._database.dialect], missing)

    async def _write(
        self, connection: Connection, results: Sequence[OpenResult], now: datetime
    ) -> None:
        happened = [event for one in results for event in one.events]
        begun = {event.callback_id for event in happened if event.kind is EventKind.OPENED}
        changed = {callback.id: callback for one in results for callback in one.changed}
        known = [callback for id_, callback in sorted(changed.items()) if id_ not in begun]
        over = [mapping.from_end(one) for one in known if one.state is State.EXPIRED]
        again = [mapping.from_attempt(one, now) for one in known if one.state is not State.EXPIRED]
        await execute_each(connection, EXPIRE, over)
        await execute_each(connection, ASK_AGAIN, again)
        await self._make(connection, [changed[id_] for id_ in begun])
        await record(connection, happened)

    async def _make(self, connection: Connection, begun: Sequence[Callback]) -> None:
        # In the order of their keys: of two that make the same ones, one waits for the other.
        values = sorted((mapping.from_callback(one) for one in begun), key=_key_and_round)
        await execute_each(connection, MAKE[self._database.dialect], values)
        ids = {callback.id for callback in begun}
        made = await connection.execute(MADE, {"ids": ids})
        if ids != {row.id for row in made}:
            raise _OvertakenError
        tags = [{"tag": tag, "callback_id": one.id} for one in begun for tag in one.options.tags]
        await execute_each(connection, TAG, tags)

    @writes
    async def mark_submitted(
        self, connection: Connection, callback_ids: Sequence[CallbackId]
    ) -> None:
        now = await self._database.hold(connection, callback_ids)
        marking = {"ids": callback_ids, "now": now}
        marked = [row.id for row in await connection.execute(SUBMITTED, marking)]
        await record(connection, [Event(id_, now, EventKind.SUBMITTED, {}) for id_ in marked])

    async def expire(self, expiries: Sequence[Expiry]) -> None:
        for part in parts(expiries):
            await self._expire(part)

    @writes
    async def _expire(self, connection: Connection, expiries: Sequence[Expiry]) -> None:
        reasons = {(one.callback_id, one.attempt_started_at): one.reason for one in expiries}
        ids = [one.callback_id for one in expiries]
        await lock(connection, ids)
        now = await self._database.now(connection)
        result = await connection.execute(UNANSWERED, {"ids": ids})
        asked = [(CallbackId(row.id), row.attempt_started_at) for row in result]
        over = {one[0]: reasons[one] for one in asked if one in reasons}
        values = [{"callback_id": id_, "now": now, "reason": why} for id_, why in over.items()]
        await execute_each(connection, EXPIRE, values)
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
    locked = {row.id for row in await connection.execute(LOCK_ROUNDS, wanted)}
    if not locked:
        # One that is made meanwhile is there when the first round is to be made.
        return {}
    found = list(await connection.execute(ROUNDS, wanted))
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
    result = await connection.execute(SCHEMAS, {"ids": ids})
    return {row.id: row.text for row in result}


def _key_and_round(row: Mapping[str, object]) -> tuple[str, str]:
    return str(row["activity_key"]), str(row["generation"])
