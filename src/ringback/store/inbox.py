"""List the questions to people, sorted by deadline or by when they were decided.

A list merges the inboxes of its reader. Each inbox is read in the order of an index, so that a page
costs the same whether an inbox has fifty questions or a hundred thousand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final, TypeAlias

from sqlalchemy import Select, select

from ringback.domain.ids import CallbackId
from ringback.domain.inbox import EVERYBODY, Cursor, InboxEntry, InboxPage, InboxQuery
from ringback.domain.text_checks import to_key
from ringback.store import mapping
from ringback.store.bulk_params import any_of
from ringback.store.database import Connection, SqlPart, reads
from ringback.store.inbox_statements import (
    INBOXES,
    RECENT_CHANGES,
    Walk,
    count_each,
    merge,
    search,
)
from ringback.store.notifications import find_unsent
from ringback.store.queries import LISTED
from ringback.store.tables import assignments, callbacks, outcomes
from ringback.store.unreadable import UNREADABLE, read_rows
from ringback.store.votes import find_votes

_RECENT: Final = timedelta(seconds=30)
"""Longer than any transaction: one that commits late may have changed a question before others."""

_Place: TypeAlias = tuple[datetime, CallbackId]

_LISTED: Final = (
    select(*LISTED).outerjoin_from(callbacks, outcomes).where(any_of(callbacks.c.id, "ids"))
)

_CHANGED: Final = select(assignments.c.callback_id, assignments.c.changed_at).where(
    assignments.c.inbox == EVERYBODY, any_of(assignments.c.callback_id, "ids")
)


class SqlInbox(SqlPart):
    """`InboxStore` on a SQL database."""

    @reads
    async def find_inbox(self, connection: Connection, query: InboxQuery) -> InboxPage:
        now = await self._database.now(connection)
        places, end = await _Reader(connection, query, now).find_places()
        page = places[: query.limit]
        if len(places) > query.limit:
            end = page[-1]
        entries = await _load(connection, [id_ for _, id_ in page])
        shown = [entries[id_] for _, id_ in page if id_ in entries]
        return InboxPage(shown, None if end is None else Cursor(*end))

    @reads
    async def count_inbox(
        self, connection: Connection, queries: Sequence[InboxQuery], *, most: int
    ) -> Sequence[int]:
        now = await self._database.now(connection)
        counts = []
        for query in queries:
            reader = _Reader(connection, query, now)
            counts.append(len(await reader.find_first(most)))
        return counts

    @reads
    async def inbox_state(self, connection: Connection, query: InboxQuery) -> str:
        now = await self._database.now(connection)
        places, end = await _Reader(connection, query, now).find_places()
        rows = await connection.execute(_CHANGED, {"ids": [id_ for _, id_ in places]})
        changed = {row.callback_id: row.changed_at for row in rows}
        state = repr([end, [(at, id_, changed.get(id_)) for at, id_ in places]])
        return sha256(state.encode()).hexdigest()[:32]

    @reads
    async def inbox_version(self, connection: Connection) -> str:
        now = await self._database.now(connection)
        row = (await connection.execute(RECENT_CHANGES, {"since": now - _RECENT})).one()
        return f"{row.changes}.{row.times or 0}"


class _Reader:
    """Reads the places of one list."""

    def __init__(self, connection: Connection, query: InboxQuery, now: datetime) -> None:
        self._connection = connection
        self._query = query
        self._dialect = connection.dialect.name
        self._walk = Walk.of(query)
        self._inboxes = list(query.inboxes)
        if query.is_by_vote:
            self._inboxes = [] if query.user is None else [to_key(query.user)]
        self._values: dict[str, object] = {
            "now": now,
            "voter": None if query.user is None else to_key(query.user),
            "skipped": 0,
            "skipped_of_all": 0,
        }
        if query.after is not None:
            self._values |= {"after_at": query.after.at, "after_id": query.after.callback_id}
        if len(self._inboxes) == 1:
            self._values["inbox"] = self._inboxes[0]
        elif self._inboxes:
            self._values |= INBOXES.values(self._dialect, [(one,) for one in self._inboxes])

    async def find_places(self) -> tuple[Sequence[_Place], _Place | None]:
        """Return the first places of the list, one more than fits, and where a search stopped."""
        if not self._query.words:
            return await self.find_first(self._query.limit + 1), None
        return await self._search()

    async def find_first(self, count: int) -> Sequence[_Place]:
        """Return the first `count` places, without a search."""
        if len(self._inboxes) <= 1:
            return await self._walk_one(self._walk, most=count)
        # Few places of each inbox suffice to find a place that the last one cannot be after.
        few = -(-2 * count // len(self._inboxes))
        bounds: Sequence[_Place] = []
        if few < count:
            bounds = await self._merge(self._walk, most=few, fitting=1, skipped_of_all=count - 1)
        walk = self._walk
        bound: dict[str, object] = {}
        if bounds:
            walk = replace(walk, is_bounded=True)
            bound = {"last_at": bounds[0][0], "last_id": bounds[0][1]}
        return await self._merge(walk, most=count, fitting=count, **bound)

    async def _search(self) -> tuple[Sequence[_Place], _Place | None]:
        """Examine the first places of the list.

        If the inboxes have more places than a search examines, it reads the questions to everybody
        in their order instead, and leaves out those of others.
        """
        if not self._inboxes:
            return [], None
        omits_voted, walk = self._walk.omits_voted, replace(self._walk, omits_voted=False)
        fitting, most = self._query.limit + 1, max(self._query.limit + 1, self._query.most_searched)
        words = {
            f"word_{number}": to for number, to in enumerate(map(_to_pattern, self._query.words))
        }
        values = {**self._values, **words, "most": most, "fitting": most}
        values |= {"fitting_search": fitting, "members": self._inboxes}
        merged = None
        if len(self._inboxes) > 1:
            counted = await self._connection.scalar(count_each(walk, self._dialect), values)
            merged = self._dialect if counted < most else None
            values |= {"inbox": EVERYBODY} if merged is None else {}
        statement = search(walk, len(words), merged, omits_voted=omits_voted)
        found = await self._places(statement, values)
        if merged is not None or len(found) == fitting:
            return found, None
        ends = await self._places(walk.statement(), {**values, "most": 1, "skipped": most - 1})
        return found, ends[0] if ends else None

    async def _walk_one(self, walk: Walk, *, most: int) -> Sequence[_Place]:
        if not self._inboxes:
            return []
        return await self._places(walk.statement(), {**self._values, "most": most})

    async def _merge(self, walk: Walk, **values: object) -> Sequence[_Place]:
        return await self._places(merge(walk, self._dialect), {**self._values, **values})

    async def _places(
        self, statement: Select[Any], values: Mapping[str, object]
    ) -> Sequence[_Place]:
        rows = await self._connection.execute(statement, values)
        return [(row.at, CallbackId(row.id)) for row in rows if row.at is not UNREADABLE]


def _to_pattern(word: str) -> str:
    escaped = word.replace("/", "//").replace("%", "/%").replace("_", "/_")
    return f"%{escaped}%"


async def _load(
    connection: Connection, ids: Sequence[CallbackId]
) -> Mapping[CallbackId, InboxEntry]:
    rows = await connection.execute(_LISTED, {"ids": ids})
    readable, _ = read_rows(rows, mapping.to_callback, key="id")
    votes_of, unreadable = await find_votes(connection, ids)
    unsent_of = await find_unsent(connection, ids)
    return {
        one.id: InboxEntry(one, votes_of.get(one.id, []), unsent_of.get(one.id, []))
        for one in readable
        if one.id not in unreadable
    }
