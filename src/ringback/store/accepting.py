"""Accepting: how an outcome becomes a callback's, whether somebody gave it or its time has come."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from sqlalchemy.ext.asyncio import AsyncConnection

from ringback.domain.event import Event, EventKind
from ringback.domain.ids import OutcomeId
from ringback.domain.outcome import KINDS
from ringback.ports.store import Answer
from ringback.store import rows
from ringback.store.database import Database
from ringback.store.statements import callbacks as statements
from ringback.store.steps import execute_each, padded, record


@dataclass(frozen=True, slots=True)
class Accepting:
    """Keeps the first outcome of each callback; the callbacks are locked.

    Attributes:
        database: Where.
        connection: The transaction.
        now: What dates the outcomes.
    """

    database: Database
    connection: AsyncConnection
    now: datetime

    async def given(self, answers: Sequence[Answer]) -> frozenset[OutcomeId]:
        """Keep answers that somebody gave; return which of them won."""
        return await self._keep(answers, is_default=False)

    async def defaults(self, answers: Sequence[Answer]) -> frozenset[OutcomeId]:
        """Keep answers that nobody gave; return which of them won."""
        return await self._keep(answers, is_default=True)

    async def _keep(self, answers: Sequence[Answer], *, is_default: bool) -> frozenset[OutcomeId]:
        # Of two for one callback the earlier stays the earlier.
        ordered = sorted(answers, key=attrgetter("callback_id"))
        values = [rows.from_answer(one, self.now, is_default=is_default) for one in ordered]
        await execute_each(self.connection, statements.ACCEPT[self.database.dialect], values)
        winners = await self._winners(answers)
        won = [answer for answer in answers if answer.id in winners]
        if won:
            ids = {"ids": padded(answer.callback_id for answer in won)}
            await self.connection.execute(statements.HAS_NO_DEFAULT, ids)
            await record(self.connection, [self._event(one, is_default=is_default) for one in won])
            await self.database.tell_accepted(self.connection)
        return winners

    async def _winners(self, answers: Sequence[Answer]) -> frozenset[OutcomeId]:
        ids = {"ids": padded(answer.callback_id for answer in answers)}
        result = await self.connection.execute(statements.HELD, ids)
        held = {row.outcome_id for row in result}
        return frozenset(answer.id for answer in answers if answer.id in held)

    def _event(self, answer: Answer, *, is_default: bool) -> Event:
        facts: dict[str, object] = {"kind": KINDS[type(answer.outcome)], "outcome": answer.id}
        if is_default:
            facts["by"] = "deadline"
        return Event(answer.callback_id, self.now, EventKind.ACCEPTED, facts)
