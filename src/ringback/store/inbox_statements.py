"""Statements that read inboxes in the order of an index.

They are built once: building a statement for each list takes longer than to execute it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final, Self

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    bindparam,
    exists,
    func,
    select,
    true,
    tuple_,
    type_coerce,
)

from ringback.domain.inbox import InboxQuery, Scope, Show
from ringback.store.bulk_params import BulkRows, Instant, any_of
from ringback.store.tables import assignments, search_texts, votes

_MOST_RECENT: Final = 1000

INBOXES: Final = BulkRows("inboxes", {"inbox": Text()})
"""The inboxes that a statement merges."""

_WANTED: Final[ColumnElement[str]] = bindparam("inbox", type_=Text)


@dataclass(frozen=True, slots=True)
class Walk:
    """A way to read inboxes in the order of an index.

    Attributes:
        show: Which questions.
        is_by_vote: Whether the questions are those that the user has voted on.
        omits_voted: Whether questions that the user has voted on are left out.
        is_continued: Whether it begins after a place.
        is_bounded: Whether it ends at a place.
    """

    show: Show
    is_by_vote: bool = False
    omits_voted: bool = False
    is_continued: bool = False
    is_bounded: bool = False

    @classmethod
    def of(cls, query: InboxQuery) -> Self:
        """Return the way to read the inboxes of `query`."""
        is_open = query.show is not Show.DECIDED
        return cls(
            query.show,
            is_by_vote=query.is_by_vote,
            omits_voted=is_open and query.user is not None and query.scope is not Scope.ALL,
            is_continued=query.after is not None,
        )

    @property
    def is_reversed(self) -> bool:
        """Whether the latest come first."""
        return self.show is Show.DECIDED

    def columns(
        self, table: FromClause = assignments
    ) -> tuple[ColumnElement[str], ColumnElement[datetime], ColumnElement[str]]:
        """Return the columns of the index: the inbox, the time, and the callback."""
        if self.is_by_vote:
            return votes.c.voter, votes.c.at, votes.c.callback_id
        at = table.c.ended_at if self.is_reversed else table.c.due_at
        return table.c.inbox, at, table.c.callback_id

    def in_order(
        self, statement: Select[Any], at: ColumnElement[Any], callback_id: ColumnElement[Any]
    ) -> Select[Any]:
        """Sort `statement` as this walk is sorted."""
        by = [at.desc(), callback_id.desc()] if self.is_reversed else [at, callback_id]
        return statement.order_by(*by)

    def statement(self, wanted: ColumnElement[str] = _WANTED) -> Select[Any]:
        """Return a statement that reads places of the inbox `wanted`.

        It skips `skipped` places and returns at most `most`.
        """
        inbox, at, callback_id = self.columns()
        named: list[ColumnElement[Any]] = [at.label("at"), callback_id.label("id")]
        walked = select(*named).where(inbox == wanted, *self._conditions())
        return (
            self
            .in_order(walked, at, callback_id)
            .limit(bindparam("most", type_=Integer))
            .offset(bindparam("skipped", type_=Integer))
        )

    def _conditions(self) -> Iterator[ColumnElement[bool]]:
        place = tuple_(*self.columns()[1:])
        if self.is_continued:
            after = _place("after")
            yield place < after if self.is_reversed else place > after
        if self.is_bounded:
            last = _place("last")
            yield place >= last if self.is_reversed else place <= last
        if self.is_by_vote:
            return
        if self.is_reversed:
            yield assignments.c.ended_at.is_not(None)
        else:
            yield assignments.c.ended_at.is_(None)
        if self.show is Show.OVERDUE:
            yield assignments.c.due_at <= bindparam("now", type_=Instant)
        if self.omits_voted:
            yield ~_has_voted(assignments.c.callback_id)


def _place(name: str) -> ColumnElement[Any]:
    return tuple_(bindparam(f"{name}_at", type_=Instant), bindparam(f"{name}_id", type_=Text))


def _has_voted(callback_id: ColumnElement[str]) -> ColumnElement[bool]:
    voter = bindparam("voter", type_=Text)
    return exists().where(votes.c.callback_id == callback_id, votes.c.voter == voter)


def _each(walk: Walk, dialect: str) -> tuple[Select[Any], ColumnElement[Any], ColumnElement[str]]:
    """Return a statement that reads the first places of each of `INBOXES`, and its columns."""
    rows = INBOXES.rows(dialect)
    walked = walk.statement(rows.c.inbox)
    if dialect == "postgresql":
        part = walked.lateral()
        read = select(part.c.at, part.c.id).join_from(rows, part, true())
        return read, part.c.at, part.c.id
    # SQLite has no lateral joins.
    table = assignments.alias()
    inbox, at, callback_id = walk.columns(table)
    is_first = callback_id.in_(walked.with_only_columns(assignments.c.callback_id).correlate(rows))
    read = select(at.label("at"), callback_id.label("id"))
    return read.join_from(rows, table, (inbox == rows.c.inbox) & is_first), at, callback_id


@cache
def merge(walk: Walk, dialect: str) -> Select[Any]:
    """Return a statement that reads the first places of several inboxes, each place once.

    It reads at most `most` places of each inbox. Of all places it skips `skipped_of_all` and
    returns at most `fitting`.
    """
    read, at, callback_id = _each(walk, dialect)
    return (
        walk
        .in_order(read.distinct(), at, callback_id)
        .limit(bindparam("fitting", type_=Integer))
        .offset(bindparam("skipped_of_all", type_=Integer))
    )


@cache
def count_each(walk: Walk, dialect: str) -> Select[Any]:
    """Return a statement that counts the places of several inboxes, at most `fitting`.

    A question in two inboxes counts twice.
    """
    read, _, _ = _each(walk, dialect)
    return select(func.count()).select_from(
        read.limit(bindparam("fitting", type_=Integer)).subquery()
    )


@cache
def search(walk: Walk, words: int, merged: str | None, *, omits_voted: bool) -> Select[Any]:
    """Return a statement that reads the places that match a search, at most `fitting_search`.

    Args:
        walk: How the inboxes are read.
        words: The number of words.
        merged: The dialect if several inboxes are merged; `None` to read the inbox `inbox`, and
            leave out what is in none of the inboxes `members`.
        omits_voted: Whether questions that the user has voted on are left out.
    """
    walked = walk.statement() if merged is None else merge(walk, merged)
    examined = walked.subquery()
    patterns = [bindparam(f"word_{number}", type_=Text) for number in range(words)]
    matches = and_(*(search_texts.c.text.like(pattern, escape="/") for pattern in patterns))
    # A join might read the texts of all questions that ever were.
    is_match = select(matches).where(search_texts.c.callback_id == examined.c.id).scalar_subquery()
    # The limit lets the database read the texts first, because few of them match.
    places = select(examined).where(is_match).limit(bindparam("most", type_=Integer)).subquery()
    found = select(places).limit(bindparam("fitting_search", type_=Integer))
    if omits_voted:
        found = found.where(~_has_voted(places.c.id))
    if merged is None and not walk.is_by_vote:
        is_member = any_of(assignments.c.inbox, "members")
        found = found.where(exists().where(assignments.c.callback_id == places.c.id, is_member))
    return walk.in_order(found, places.c.at, places.c.id)


def _recent_changes() -> Select[Any]:
    newest = (
        select(assignments.c.changed_at)
        .where(assignments.c.changed_at > bindparam("since", type_=Instant))
        .order_by(assignments.c.changed_at.desc())
        .limit(_MOST_RECENT)
        .subquery()
    )
    # The remainder: a sum of whole times would be too large for an integer.
    times = func.sum(type_coerce(newest.c.changed_at, BigInteger) % 1_000_003)
    summed: list[ColumnElement[Any]] = [func.count().label("changes"), times.label("times")]
    return select(*summed).select_from(newest)


#: The sum of the newest changes of inboxes.
RECENT_CHANGES: Final = _recent_changes()
