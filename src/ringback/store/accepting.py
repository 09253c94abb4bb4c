"""Accepting: how an outcome becomes a callback's, whether somebody gave it or its time has come."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.outcome import KINDS, body_of
from ringback.domain.terms import Terms
from ringback.ports.store import Answer
from ringback.store import rows
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.statements import accepting as statements
from ringback.store.steps import notify

_BYTES: Final = 8 * 1024 * 1024
"""A statement takes this much and one answer more: a driver holds all of it several times."""


@dataclass(frozen=True, slots=True)
class Accepting:
    """Keeps the first outcome of each callback; the callbacks are locked.

    Attributes:
        database: Where.
        connection: The transaction.
        now: What dates the outcomes.
        more_to_do: Callbacks with a default answer, and those of which the outside is told.
    """

    database: Database
    connection: Connection
    now: datetime
    more_to_do: Collection[CallbackId]

    async def given(self, answers: Sequence[Answer]) -> frozenset[OutcomeId]:
        """Keep answers that somebody gave; return which of them won."""
        return await self._keep(answers, is_default=False)

    async def defaults(self, answers: Sequence[Answer]) -> frozenset[OutcomeId]:
        """Keep answers that nobody gave; return which of them won."""
        return await self._keep(answers, is_default=True)

    async def _keep(self, answers: Sequence[Answer], *, is_default: bool) -> frozenset[OutcomeId]:
        first = _first_of_each(answers)
        kept = [await self._insert(part, is_default=is_default) for part in _by_size(first)]
        winners = frozenset(answer.id for part in kept for answer in part)
        won = [answer for answer in first if answer.id in winners]
        if won:
            await self._tell(won, is_default=is_default)
        return winners

    async def _insert(self, answers: Sequence[Answer], *, is_default: bool) -> Sequence[Answer]:
        dialect = self.database.dialect
        values = statements.given(dialect, answers)
        values |= {"now": self.now, "is_default": is_default}
        result = await self.connection.execute(statements.ACCEPT[dialect], values)
        if result.rowcount == len(answers):
            return answers
        held = await self.connection.execute(statements.HELD, {"ids": _callbacks(answers)})
        ids = {row.outcome_id for row in held}
        return [answer for answer in answers if answer.id in ids]

    async def _tell(self, won: Sequence[Answer], *, is_default: bool) -> None:
        told = [answer for answer in won if answer.callback_id in self.more_to_do]
        if told:
            await self.connection.execute(statements.HAS_NO_DEFAULT, {"ids": _callbacks(told)})
            events = [self._event(answer, is_default=is_default) for answer in told]
            await notify(self.connection, events)
        await self.database.tell_accepted(self.connection)

    def _event(self, answer: Answer, *, is_default: bool) -> Event:
        facts = rows.to_accepted_facts(KINDS[type(answer.outcome)], answer.id, is_default)
        return Event(answer.callback_id, self.now, EventKind.ACCEPTED, facts)


async def find_terms(
    connection: Connection, ids: Collection[CallbackId]
) -> tuple[dict[CallbackId, Terms], frozenset[CallbackId]]:
    """Return the terms of those of the callbacks that exist; and `Accepting.more_to_do`."""
    statement = statements.TERMS[connection.dialect.name]
    found = await connection.scalar(statement, {"ids": ids}) or []
    more_to_do = frozenset(values[0] for values in found if values[-1])
    return {values[0]: rows.to_terms(values) for values in found}, more_to_do


def _first_of_each(answers: Sequence[Answer]) -> Sequence[Answer]:
    """Return the first answer to each callback, in the order of callbacks."""
    first: dict[CallbackId, Answer] = {}
    for answer in answers:
        first.setdefault(answer.callback_id, answer)
    return [first[callback_id] for callback_id in sorted(first)]


def _by_size(answers: Sequence[Answer]) -> Iterator[Sequence[Answer]]:
    """Yield the answers in parts that are not too large."""
    part: list[Answer] = []
    size = 0
    for answer in answers:
        part.append(answer)
        size += len(body_of(answer.outcome) or b"")
        if size > _BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part


def _callbacks(answers: Collection[Answer]) -> list[CallbackId]:
    return [answer.callback_id for answer in answers]
