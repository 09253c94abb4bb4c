"""Open callbacks, mark them submitted, expire and find them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import MalformedRequestError, RingbackError, UnreadableCallbackError
from ringback.domain.event_errors import AliasInUseError
from ringback.domain.ids import CallbackId
from ringback.domain.opening import OpenRequest, OpenResult, find_or_create
from ringback.ports.aliases import AliasConflictsError
from ringback.ports.store import Expiry
from ringback.store import mapping
from ringback.store.aliases import AliasGrants
from ringback.store.assignments import assign, change_due_times, end_assignments
from ringback.store.bulk_params import INSERTS, Instant, any_of
from ringback.store.database import Connection, Database, SqlPart, reads, writes
from ringback.store.notifications import add_notifications
from ringback.store.queries import (
    CALLBACKS,
    IS_OPEN,
    OvertakenError,
    execute_each,
    find,
    lock,
    parts,
    record,
)
from ringback.store.result_schemas import UsedSchemas, find_schemas
from ringback.store.tables import callbacks, outcomes, tags
from ringback.store.unreadable import read_rows

_of_activities = any_of(callbacks.c.activity_key, "keys")

#: Lock all generations of the activities until the commit.
LOCK_GENERATIONS: Final = (
    select(callbacks.c.id)
    .where(_of_activities)
    .order_by(callbacks.c.id)
    .with_for_update(key_share=True)
)

#: All generations of the activities, oldest first.
GENERATIONS: Final = CALLBACKS.where(_of_activities).order_by(callbacks.c.generation)

EXISTING: Final = select(callbacks.c.id).where(any_of(callbacks.c.id, "ids"))

#: A later attempt opens the same callback.
UPDATE_ATTEMPT: Final = (
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
        resume=bindparam("resume_"),
        poll=bindparam("poll_"),
        poll_every=bindparam("poll_every_"),
        sender_poll_due_at=bindparam("sender_poll_due_at_"),
        sender_poll_requested_at=bindparam("sender_poll_requested_at_"),
        sender_poll_is_over=bindparam("sender_poll_is_over_"),
        heartbeat_timeout=bindparam("heartbeat_timeout_"),
        heartbeat_details=None,
        heartbeat_sent_at=None,
        heartbeat_due_at=bindparam("heartbeat_due_at_"),
        # A later attempt ends the claims of the one before.
        heartbeat_held_until=None,
        poll_due_at=bindparam("poll_due_at_"),
        poll_held_until=None,
        reset_at=None,
    )
)

#: The attempt receives the accepted outcome, and continues with it.
RESERVE: Final = (
    update(outcomes)
    .where(
        outcomes.c.callback_id == bindparam("callback_id_"),
        outcomes.c.state == State.ACCEPTED.value,
    )
    .values(delivered_inline_attempt=bindparam("attempt_"))
)

#: Mark and return the callbacks that are not marked as submitted.
MARK_SUBMITTED: Final = (
    update(callbacks)
    .where(any_of(callbacks.c.id, "ids"), callbacks.c.submitted_at.is_(None))
    .values(submitted_at=bindparam("now", type_=Instant))
    .returning(callbacks.c.id)
)

#: The open callbacks among these, the start of their latest attempt, and whether people decide.
OPEN_ATTEMPTS: Final = select(
    callbacks.c.id,
    callbacks.c.attempt_started_at,
    callbacks.c.policy.is_not(None).label("has_policy"),
).where(any_of(callbacks.c.id, "ids"), IS_OPEN)

EXPIRE: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"), IS_OPEN)
    .values(closed_at=bindparam("now"), expired_because=bindparam("reason"), default_due_at=None)
)


def _ignoring(
    statement: sqlite.Insert | postgresql.Insert, *columns: str
) -> sqlite.Insert | postgresql.Insert:
    return statement.on_conflict_do_nothing(index_elements=columns)


#: Create a callback unless another worker has created it.
CREATE: Final = {
    dialect: _ignoring(insert_into(callbacks), "activity_key", "generation")
    for dialect, insert_into in INSERTS.items()
}

ADD_TAG: Final = insert(tags)


class SqlCallbacks(SqlPart):
    """`CallbackStore` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Store everything in `database`, whose schema is the newest."""
        super().__init__(database)
        self._used_schemas = UsedSchemas()

    async def open(self, requests: Sequence[OpenRequest]) -> Sequence[Callback]:
        while True:
            try:
                opened, marked, now = await self._open(requests)
            except OvertakenError:
                # The other transaction has committed, so the next try finds what it created.
                continue
            self._used_schemas.remember(marked, now)
            return opened

    @writes
    async def _open(
        self, connection: Connection, requests: Sequence[OpenRequest]
    ) -> tuple[Sequence[Callback], Sequence[str], datetime]:
        keys = [
            mapping.activity_key(one.attempt.ref, follow_reset=one.options.follow_reset)
            for one in requests
        ]
        latest = await _lock_latest(connection, keys)
        now = await self._database.now(connection)
        grants = await AliasGrants.read(
            connection, [alias for one in requests for alias in one.options.aliases]
        )
        results: list[OpenResult] = []
        refused: dict[CallbackId, RingbackError] = {}
        for key, request in zip(keys, requests, strict=True):
            try:
                one = find_or_create(latest.get(key), request, now)
                grants.grant(one.callback, one.aliases, key)
            except (AliasInUseError, MalformedRequestError) as exc:
                refused[request.id] = exc
                continue
            latest[key] = one.callback
            results.append(one)
        if refused:
            raise AliasConflictsError(refused)
        marked = await self._used_schemas.mark(connection, requests, now)
        await self._write(connection, results, now, grants=grants)
        return [one.callback for one in results], marked, now

    async def _write(
        self,
        connection: Connection,
        results: Sequence[OpenResult],
        now: datetime,
        *,
        grants: AliasGrants,
    ) -> None:
        happened = [entry for one in results for entry in one.entries]
        created = {entry.callback_id for entry in happened if entry.kind is AuditKind.OPENED}
        changed = {callback.id: callback for one in results for callback in one.changed}
        known = [callback for id_, callback in sorted(changed.items()) if id_ not in created]
        expired = [mapping.from_end(one) for one in known if one.state is State.EXPIRED]
        again = [mapping.from_attempt(one, now) for one in known if one.state is not State.EXPIRED]
        await execute_each(connection, EXPIRE, expired)
        await execute_each(connection, UPDATE_ATTEMPT, again)
        resumed = [
            {"callback_id_": one.id, "attempt_": one.attempt}
            for one in known
            if one.is_resumed and one.state is State.ACCEPTED
        ]
        await execute_each(connection, RESERVE, resumed)
        await change_due_times(connection, [one for one in known if one.state is State.OPEN], now)
        over = [one.id for one in known if one.state is State.EXPIRED and one.options.policy]
        await end_assignments(connection, over, now)
        await self._create(connection, [changed[id_] for id_ in created], now)
        await grants.write(now, created=created)
        await record(connection, happened)

    async def _create(
        self, connection: Connection, created: Sequence[Callback], now: datetime
    ) -> None:
        # In the order of keys: of two transactions that create the same ones, one waits.
        values = sorted(map(mapping.from_callback, created), key=_key_and_generation)
        await execute_each(connection, CREATE[self._database.dialect], values)
        ids = {callback.id for callback in created}
        existing = await connection.execute(EXISTING, {"ids": ids})
        if ids != {row.id for row in existing}:
            raise OvertakenError
        tags = [{"tag": tag, "callback_id": one.id} for one in created for tag in one.options.tags]
        await execute_each(connection, ADD_TAG, tags)
        await assign(connection, created, now)
        await add_notifications(connection, created, now)

    @writes
    async def mark_submitted(
        self, connection: Connection, callback_ids: Sequence[CallbackId]
    ) -> Sequence[bool]:
        now = await self._database.lock_now(connection, callback_ids)
        marked = await connection.execute(MARK_SUBMITTED, {"ids": callback_ids, "now": now})
        existing = {row.id for row in marked}
        await record(
            connection, [AuditEntry(id_, now, AuditKind.SUBMITTED, {}) for id_ in existing]
        )
        if not existing.issuperset(callback_ids):
            existing = {row.id for row in await connection.execute(EXISTING, {"ids": callback_ids})}
        return [id_ in existing for id_ in callback_ids]

    async def expire(self, expiries: Sequence[Expiry]) -> None:
        for part in parts(expiries):
            await self._expire(part)

    @writes
    async def _expire(self, connection: Connection, expiries: Sequence[Expiry]) -> None:
        reasons = {(one.callback_id, one.attempt_started_at): one.reason for one in expiries}
        ids = [one.callback_id for one in expiries]
        await lock(connection, ids)
        now = await self._database.now(connection)
        result = list(await connection.execute(OPEN_ATTEMPTS, {"ids": ids}))
        attempts = [(CallbackId(row.id), row.attempt_started_at) for row in result]
        expired = {one[0]: reasons[one] for one in attempts if one in reasons}
        values = [{"callback_id": id_, "now": now, "reason": why} for id_, why in expired.items()]
        await execute_each(connection, EXPIRE, values)
        questions = [row.id for row in result if row.has_policy and row.id in expired]
        await end_assignments(connection, questions, now)
        entries = [
            AuditEntry(id_, now, AuditKind.EXPIRED, {"reason": why}) for id_, why in expired.items()
        ]
        await record(connection, entries)

    @reads
    async def find(
        self, connection: Connection, callback_ids: Sequence[CallbackId]
    ) -> Mapping[CallbackId, Callback]:
        return await find(connection, callback_ids)

    @reads
    async def schemas(self, connection: Connection, schema_ids: Sequence[str]) -> Mapping[str, str]:
        return await find_schemas(connection, schema_ids)


async def _lock_latest(connection: Connection, keys: Sequence[str]) -> dict[str, Callback]:
    """Lock all callbacks of the activities, and return the latest of each.

    Raises:
        OvertakenError: One was created while this waited for the lock of an earlier one.
        UnreadableCallbackError: A row cannot be read.
    """
    wanted = {"keys": keys}
    locked = {row.id for row in await connection.execute(LOCK_GENERATIONS, wanted)}
    if not locked:
        # If another transaction creates one meanwhile, `CREATE` meets it.
        return {}
    found = list(await connection.execute(GENERATIONS, wanted))
    if not locked.issuperset(row.id for row in found):
        raise OvertakenError
    latest, unreadable = read_rows(found, mapping.to_callback, key="id")
    if unreadable:
        raise UnreadableCallbackError(CallbackId(unreadable[0].id))
    key_of = {row.id: row.activity_key for row in found}
    return {key_of[callback.id]: callback for callback in latest}


def _key_and_generation(row: Mapping[str, object]) -> tuple[str, str]:
    return str(row["activity_key"]), str(row["generation"])
