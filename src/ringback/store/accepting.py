"""Accepting: how an outcome becomes a callback's, whether somebody gave it or its time has come."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from ringback.domain.event import Event, EventKind
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.outcome import KINDS, to_body
from ringback.domain.terms import Terms
from ringback.ports.store import Answer
from ringback.store import mapping
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.events import notify
from ringback.store.statements import accepting as statements
from ringback.store.tables import to_instant

_BYTES: Final = 8 * 1024 * 1024
"""A statement takes this much and one answer more: a driver holds all of it several times."""


async def accept(
    database: Database,
    connection: Connection,
    answers: Sequence[Answer],
    *,
    is_default: bool = False,
) -> dict[OutcomeId, datetime]:
    """Store the first answer to each callback that is open; return when each was accepted.

    An answer with a link serial is stored only if that is still the callback's. What `is_default`
    nobody gave: it was taken at the deadline.
    """
    accepted: dict[OutcomeId, datetime] = {}
    for part in _by_size(_first_of_each(answers)):
        accepted |= await _accept(database, connection, part, is_default=is_default)
    return accepted


async def accept_alone(
    database: Database, connection: Connection, answers: Sequence[Answer]
) -> tuple[dict[OutcomeId, datetime], Sequence[Answer]]:
    """Do what `accept` does, by statements that each commit at once; return also what is left.

    What is left takes a transaction: answers whose callbacks have a default answer, or whose
    outside is notified.
    """
    accepted: dict[OutcomeId, datetime] = {}
    left: list[Answer] = []
    for part in _by_size(_first_of_each(answers)):
        values = _values(database, part, is_default=False, in_transaction=False)
        found = await _run(database, connection, values)
        accepted |= {OutcomeId(id_): to_instant(at) for id_, at, _ in found if id_ is not None}
        if any(has_more_to_do for _, _, has_more_to_do in found):
            left += [answer for answer in part if answer.id not in accepted]
    return accepted, left


async def _accept(
    database: Database, connection: Connection, answers: Sequence[Answer], *, is_default: bool
) -> dict[OutcomeId, datetime]:
    values = _values(database, answers, is_default=is_default, in_transaction=True)
    found = await _run(database, connection, values)
    stored = [row for row in found if row[0] is not None]
    accepted = {OutcomeId(id_): to_instant(at) for id_, at, _ in stored}
    more_to_do = {id_ for id_, _, has_more_to_do in stored if has_more_to_do}
    if more_to_do:
        unusual = [answer for answer in answers if answer.id in more_to_do]
        callback_ids = [answer.callback_id for answer in unusual]
        await connection.execute(statements.HAS_NO_DEFAULT, {"ids": callback_ids})
        events = [_event(one, accepted[one.id], is_default=is_default) for one in unusual]
        await notify(connection, events)
    return accepted


def _values(
    database: Database, answers: Sequence[Answer], *, is_default: bool, in_transaction: bool
) -> dict[str, object]:
    return {
        **statements.given(database.dialect, answers),
        "is_default": is_default,
        "in_transaction": in_transaction,
        "now": database.own_now(),
    }


async def _run(
    database: Database, connection: Connection, values: dict[str, object]
) -> Sequence[tuple[Any, Any, bool]]:
    insert = statements.INSERT.get(database.dialect)
    if insert is not None:
        await connection.execute(insert, values)
    return await connection.scalar(statements.ACCEPT[database.dialect], values) or []


def _event(answer: Answer, accepted_at: datetime, *, is_default: bool) -> Event:
    facts = mapping.to_accepted_facts(KINDS[type(answer.outcome)], answer.id, is_default)
    return Event(answer.callback_id, accepted_at, EventKind.ACCEPTED, facts)


async def find_terms(
    connection: Connection, ids: Collection[CallbackId]
) -> dict[CallbackId, Terms]:
    """Return the terms of those of the callbacks that exist."""
    statement = statements.TERMS[connection.dialect.name]
    found = map(mapping.to_terms, await connection.scalar(statement, {"ids": ids}) or [])
    return {terms.callback_id: terms for terms in found}


def _first_of_each(answers: Sequence[Answer]) -> Sequence[Answer]:
    """Return the first answer to each callback by each of its links, in the order of callbacks.

    The first of all may have come by a link that is revoked.
    """
    first: dict[tuple[CallbackId, int | None], Answer] = {}
    for answer in answers:
        first.setdefault((answer.callback_id, answer.link_serial), answer)
    return sorted(first.values(), key=lambda answer: answer.callback_id)


def _by_size(answers: Sequence[Answer]) -> Iterator[Sequence[Answer]]:
    """Yield the answers in parts that are not too large."""
    part: list[Answer] = []
    size = 0
    for answer in answers:
        part.append(answer)
        size += len(to_body(answer.outcome) or b"")
        if size > _BYTES:
            yield part
            part, size = [], 0
    if part:
        yield part
