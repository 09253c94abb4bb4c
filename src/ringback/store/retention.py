"""Find, export and delete callbacks that have ended, with all that belongs to them.

A batch is one transaction: it locks the callbacks, skips those that another process has locked,
reads in a later statement what must still happen, and deletes the rest. Whoever adds something to a
callback locks it first, so nothing is added in between, and nothing is half deleted.
"""

import base64
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Self

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    CompoundSelect,
    Delete,
    Integer,
    Row,
    Select,
    Table,
    Text,
    bindparam,
    delete,
    func,
    select,
    tuple_,
    type_coerce,
    union,
)

from ringback.domain.durations import format_instant
from ringback.ports.retention import Record, Window
from ringback.store.bulk_params import Instant, any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.outbox_tables import notifications, webhooks
from ringback.store.tables import (
    aliases,
    assignments,
    audit_trail,
    callbacks,
    outcomes,
    search_texts,
    tags,
    votes,
)
from ringback.store.unreadable import UNREADABLE

BELONGING: Final[Sequence[Table]] = (
    *(outcomes, audit_trail, votes, assignments, search_texts),
    *(tags, aliases, webhooks, notifications),
)
"""The tables whose rows belong to a callback: all that refer to it."""

_has_ended: ColumnElement[bool] = callbacks.c.closed_at.is_not(None) & (
    callbacks.c.closed_at <= bindparam("cutoff", type_=Instant)
)

#: As it is stored: an instant that is out of range must not stop a walk.
_ended_at: ColumnElement[int] = type_coerce(callbacks.c.closed_at, BigInteger)

#: In the order of `ix_callbacks_ended`, of which a window reads one part.
FIND: Final = (
    select(_ended_at.label("at"), callbacks.c.id)
    .where(
        callbacks.c.has_bodies == bindparam("has_bodies", type_=Boolean),
        _has_ended,
        tuple_(_ended_at, callbacks.c.id)
        > tuple_(bindparam("after_at", type_=BigInteger), bindparam("after_id", type_=Text)),
    )
    .order_by(callbacks.c.closed_at, callbacks.c.id)
    .limit(bindparam("limit", type_=Integer))
)

LOCK: Final = (
    select(callbacks.c.id)
    .where(any_of(callbacks.c.id, "ids"), _has_ended)
    .order_by(callbacks.c.id)
    .with_for_update(skip_locked=True)
)

#: Callbacks with a webhook or a message that is still to be sent.
OWED: Final[CompoundSelect[Any]] = union(
    select(webhooks.c.callback_id).where(
        any_of(webhooks.c.callback_id, "ids"), webhooks.c.ended_at.is_(None)
    ),
    select(notifications.c.callback_id).where(
        any_of(notifications.c.callback_id, "ids"), notifications.c.due_at.is_not(None)
    ),
)

#: Whatever happens to an ended callback adds an entry.
VERSIONS: Final = (
    select(audit_trail.c.callback_id, func.max(audit_trail.c.id).label("version"))
    .where(any_of(audit_trail.c.callback_id, "ids"))
    .group_by(audit_trail.c.callback_id)
)

COUNT: Final[dict[str, Select[Any]]] = {
    table.name: select(func.count()).select_from(table).where(any_of(table.c.callback_id, "ids"))
    for table in BELONGING
}

DELETE: Final[dict[str, Delete]] = {
    **{table.name: delete(table).where(any_of(table.c.callback_id, "ids")) for table in BELONGING},
    callbacks.name: delete(callbacks).where(any_of(callbacks.c.id, "ids")),
}

_READ: Final[dict[str, Select[Any]]] = {
    callbacks.name: select(callbacks).where(any_of(callbacks.c.id, "ids")),
    **{table.name: select(table).where(any_of(table.c.callback_id, "ids")) for table in BELONGING},
}

_PLACE: Final = re.compile(r"([01])\.(\d{1,18})\.([A-Za-z0-9_]*)", re.ASCII)

_SECRET: Final = frozenset({"task_token"})


@dataclass(frozen=True, slots=True)
class WalkPosition:
    """A place in a walk over ended callbacks: one part of the index, and a row of it.

    Attributes:
        has_bodies: The part of the index; callbacks with bodies come first.
        at: When the last callback before it ended, in microseconds.
        id: Its id.
    """

    has_bodies: bool = True
    at: int = 0
    id: str = ""

    @classmethod
    def read(cls, text: str | None) -> Self:
        """Return the place of a text of `write`; `None` is the beginning.

        Raises:
            ValueError: It is no such text.
        """
        if text is None:
            return cls()
        found = _PLACE.fullmatch(text)
        if found is None:
            msg = "it is not a place of this walk"
            raise ValueError(msg)
        part, at, id_ = found.groups()
        return cls(part == "1", int(at), id_)

    def write(self) -> str:
        """Return the place as text without characters that a URL would quote."""
        return f"{int(self.has_bodies)}.{self.at}.{self.id}"

    def next(self, found: Sequence[Any], limit: int) -> str | None:
        """Return the place after the rows `found` of at most `limit`; `None` at the end."""
        if len(found) == limit:
            return WalkPosition(self.has_bodies, found[-1].at, found[-1].id).write()
        return WalkPosition(has_bodies=False).write() if self.has_bodies else None


def to_window(found: Sequence[Row[Any]], limit: int) -> Window:
    """Return the old ones of rows in the order of their end; at most `limit` were read.

    What came later ended later.
    """
    has_more = len(found) == limit and found[-1].is_old
    return Window([row.id for row in found if row.is_old], found[-1].id if has_more else None)


class SqlEndedCallbacks(SqlPart):
    """`EndedRecords` for callbacks.

    Those whose bodies are dropped come last in a walk: the index has two parts.
    """

    @reads
    async def find_ended(
        self, connection: Connection, older_than: timedelta, *, after: str | None, limit: int
    ) -> Window:
        place = WalkPosition.read(after)
        now = await self._database.now(connection)
        values = {
            "has_bodies": place.has_bodies,
            "after_at": place.at,
            "after_id": place.id,
            "cutoff": now - older_than,
            "limit": limit,
        }
        found = list(await connection.execute(FIND, values))
        return Window([row.id for row in found], place.next(found, limit))

    @reads
    async def export(self, connection: Connection, ids: Collection[str]) -> Sequence[Record]:
        owed = {row.callback_id for row in await connection.execute(OWED, {"ids": ids})}
        values = {"ids": sorted(set(ids) - owed)}
        content: dict[str, dict[str, Any]] = {}
        for name, statement in _READ.items():
            for row in (await connection.execute(statement, values)).mappings():
                plain = to_plain_row(row, without=_SECRET)
                if name == callbacks.name:
                    content[row["id"]] = {name: [plain]}
                elif row["callback_id"] in content:
                    content[row["callback_id"]].setdefault(name, []).append(plain)
        newest = await _versions(connection, content)
        return [Record(id_, newest.get(id_, 0), rows) for id_, rows in content.items()]

    @writes
    async def purge(
        self,
        connection: Connection,
        ids: Collection[str],
        older_than: timedelta,
        *,
        versions: Mapping[str, int] | None = None,
        dry_run: bool = False,
    ) -> Mapping[str, int]:
        now = await self._database.now(connection)
        locked = await connection.execute(LOCK, {"ids": ids, "cutoff": now - older_than})
        ended = {row.id for row in locked}
        if not ended:
            return {}
        owed = await connection.execute(OWED, {"ids": sorted(ended)})
        ended -= {row.callback_id for row in owed}
        if versions is not None:
            newest = await _versions(connection, ended)
            ended = {id_ for id_ in ended if versions.get(id_) == newest.get(id_, 0)}
        values = {"ids": sorted(ended)}
        if dry_run:
            counts = {name: await connection.scalar(one, values) for name, one in COUNT.items()} | {
                callbacks.name: len(ended)
            }
        else:
            counts = {
                name: (await connection.execute(one, values)).rowcount
                for name, one in DELETE.items()
            }
        return {name: count for name, count in counts.items() if count}


async def _versions(connection: Connection, ids: Collection[str]) -> dict[str, int]:
    found = await connection.execute(VERSIONS, {"ids": sorted(ids)})
    return {row.callback_id: row.version for row in found}


def to_plain_row(
    row: Mapping[str, Any], *, without: Collection[str] = frozenset()
) -> dict[str, Any]:
    """Return a row as plain JSON: times end in `Z`, and bytes that are not text are in base64."""
    return {name: _to_plain(value) for name, value in row.items() if name not in without}


def _to_plain(value: Any) -> Any:
    match value:
        case datetime():
            return format_instant(value)
        case timedelta():
            return value.total_seconds()
        case bytes():
            try:
                return value.decode()
            except UnicodeDecodeError:
                return {"base64": base64.b64encode(value).decode()}
        case _:
            return {"unreadable": True} if value is UNREADABLE else value
