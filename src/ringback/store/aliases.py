"""Give aliases to callbacks, take them away, and find who has them.

The end of a callback frees its aliases by itself: whoever asks for one reads whether its owner has
ended, and an ended callback never opens again. So answers and verdicts write nothing here.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

from sqlalchemy import Insert, Text, bindparam, delete, select, true, update

from ringback.domain.alias import missing_aliases
from ringback.domain.audit import AuditEntry, AuditKind, key_fact, to_alias_added
from ringback.domain.callback import MOVES, Callback
from ringback.domain.event_errors import AliasInUseError
from ringback.domain.ids import CallbackId
from ringback.ports.aliases import AliasOwner
from ringback.store.bulk_params import INSERTS, BulkRows, Instant, any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.events import wake_events
from ringback.store.queries import OvertakenError, execute_each, find, lock, record
from ringback.store.tables import aliases, callbacks

#: The newest owner of each alias.
OWNERS: Final = (
    select(
        aliases.c.alias,
        aliases.c.namespace,
        aliases.c.callback_id,
        callbacks.c.activity_key,
        callbacks.c.workflow_id,
        callbacks.c.closed_at,
    )
    .join_from(aliases, callbacks)
    .where(any_of(aliases.c.alias, "aliases"), aliases.c.taken_over_at.is_(None))
)

#: Another callback gets the alias of an owner that has ended.
_TAKE_OVER: Final = (
    update(aliases)
    .where(
        aliases.c.alias == bindparam("alias_"),
        aliases.c.callback_id == bindparam("owner"),
        aliases.c.taken_over_at.is_(None),
    )
    .values(taken_over_at=bindparam("now", type_=Instant))
)

_ROWS: Final = BulkRows("granted", {"alias": Text(), "callback_id": Text(), "namespace": Text()})


def _add(dialect: str) -> Insert:
    rows = _ROWS.rows(dialect)
    into = INSERTS[dialect](aliases).from_select(list(_ROWS.columns), select(rows).where(true()))
    return into.on_conflict_do_nothing()


#: Add rows; skip an alias whose newest owner another transaction has just added.
_ADD: Final = {dialect: _add(dialect) for dialect in INSERTS}

_SET: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"))
    .values(aliases=bindparam("aliases_", type_=callbacks.c.aliases.type))
)

_REMOVE: Final = delete(aliases).where(
    aliases.c.alias == bindparam("alias_"), aliases.c.callback_id == bindparam("of_callback")
)


@dataclass(frozen=True, slots=True)
class _Owner:
    callback_id: CallbackId
    activity_key: str | None
    workflow_id: str
    has_ended: bool


@dataclass(slots=True)
class AliasGrants:
    """The aliases that one transaction gives to callbacks.

    All aliases are added by `write`, in the transaction that opens or changes their callbacks.
    """

    _connection: Connection
    _owners: dict[tuple[str, str], _Owner]
    _taken: dict[tuple[str, str], CallbackId] = field(default_factory=dict)
    _ended: dict[tuple[str, str], CallbackId] = field(default_factory=dict)
    _granted: dict[tuple[str, str], CallbackId] = field(default_factory=dict)
    _changed: dict[CallbackId, Callback] = field(default_factory=dict)

    @classmethod
    async def read(cls, connection: Connection, wanted: Sequence[str]) -> Self:
        """Read who has each of the `wanted` aliases."""
        owners: dict[tuple[str, str], _Owner] = {}
        if wanted:
            for row in await connection.execute(OWNERS, {"aliases": sorted(set(wanted))}):
                owners[row.alias, row.namespace] = _Owner(
                    row.callback_id, row.activity_key, row.workflow_id, row.closed_at is not None
                )
        return cls(connection, owners)

    def grant(
        self, callback: Callback, added: Sequence[str], activity_key: str | None = None
    ) -> None:
        """Give `callback`, which contains the `added` aliases already, these aliases.

        A new callback of an activity takes over those of an earlier one of the same activity.

        Raises:
            AliasInUseError: Another callback that has not ended has one; nothing is granted.
        """
        keys = [(alias, callback.ref.namespace) for alias in added]
        for key in keys:
            owner = self._owners.get(key)
            if owner is None or owner.has_ended:
                continue
            if activity_key is None or owner.activity_key != activity_key:
                raise AliasInUseError(key[0], owner.callback_id, owner.workflow_id)
        for key in keys:
            owner = self._owners.get(key)
            if owner is not None and key not in self._granted:
                self._taken[key] = owner.callback_id
                if owner.has_ended:
                    self._ended[key] = owner.callback_id
            new = _Owner(callback.id, activity_key, callback.ref.workflow_id, has_ended=False)
            self._owners[key], self._granted[key] = new, callback.id
        if added:
            self._changed[callback.id] = callback

    async def write(self, now: datetime, *, created: Collection[CallbackId] = ()) -> None:
        """Add the granted aliases; the rows of callbacks that were `created` contain theirs.

        Raises:
            OvertakenError: Another transaction has just added one of them.
        """
        if not self._granted:
            return
        changed = [
            {"callback_id": id_, "aliases_": list(one.options.aliases)}
            for id_, one in sorted(self._changed.items())
            if id_ not in created
        ]
        await execute_each(self._connection, _SET, changed)
        # Sorted: of two transactions that add the same ones, one waits.
        taken = [
            {"alias_": alias, "owner": owner, "now": now}
            for (alias, _), owner in sorted(self._taken.items())
        ]
        await execute_each(self._connection, _TAKE_OVER, taken)
        dialect = self._connection.dialect.name
        rows = [
            (alias, owner, namespace) for (alias, namespace), owner in sorted(self._granted.items())
        ]
        added = await self._connection.execute(_ADD[dialect], _ROWS.values(dialect, rows))
        if added.rowcount != len(rows):
            raise OvertakenError
        await wake_events(self._connection, self._granted, ended=self._ended, now=now)


class SqlAliases(SqlPart):
    """`AliasStore` on a SQL database."""

    @reads
    async def find_aliases(
        self, connection: Connection, namespace: str, wanted: Sequence[str]
    ) -> Mapping[str, AliasOwner]:
        found = await connection.execute(OWNERS, {"aliases": wanted})
        return {
            row.alias: AliasOwner(row.callback_id, row.workflow_id, row.closed_at)
            for row in found
            if row.namespace == namespace
        }

    async def add_alias(
        self, callback_id: CallbackId, alias: str, *, by: str | None = None
    ) -> Callback | None:
        while True:
            try:
                return await self._add_alias(callback_id, alias, by=by)
            except OvertakenError:
                continue

    @writes
    async def _add_alias(
        self, connection: Connection, callback_id: CallbackId, alias: str, *, by: str | None
    ) -> Callback | None:
        callback = await _lock_and_find(connection, callback_id)
        if callback is None or not MOVES[callback.state]:
            return callback
        if not missing_aliases(callback.options.aliases, [alias]):
            return callback
        changed = callback.with_aliases([*callback.options.aliases, alias])
        grants = await AliasGrants.read(connection, [alias])
        grants.grant(changed, [alias])
        now = await self._database.now(connection)
        await grants.write(now)
        await record(connection, [to_alias_added(callback_id, alias, now, by=by)])
        return changed

    @writes
    async def remove_alias(
        self, connection: Connection, callback_id: CallbackId, alias: str, *, by: str | None = None
    ) -> Callback | None:
        callback = await _lock_and_find(connection, callback_id)
        if callback is None or alias not in callback.options.aliases:
            return callback
        changed = callback.with_aliases([one for one in callback.options.aliases if one != alias])
        now = await self._database.now(connection)
        row = {"callback_id": callback_id, "aliases_": list(changed.options.aliases)}
        await connection.execute(_SET, row)
        await connection.execute(_REMOVE, {"alias_": alias, "of_callback": callback_id})
        facts: dict[str, object] = {"alias": alias, **key_fact(by)}
        await record(connection, [AuditEntry(callback_id, now, AuditKind.ALIAS_REMOVED, facts)])
        return changed


async def _lock_and_find(connection: Connection, callback_id: CallbackId) -> Callback | None:
    await lock(connection, [callback_id])
    return (await find(connection, [callback_id])).get(callback_id)
