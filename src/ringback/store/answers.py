"""Accept the first answer to each callback, and store evidence of later ones."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import starmap
from typing import Any, Final, TypeAlias

from sqlalchemy import JSON, ColumnElement, Select, bindparam, func, insert, select, update

from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.ids import CallbackId, OutcomeId
from ringback.domain.outcome import KINDS, to_body, to_fields
from ringback.domain.terms import Terms
from ringback.ports.store import EVIDENCE_BYTES, MAX_EVIDENCE, Answer
from ringback.store import mapping
from ringback.store.accept_statement import ACCEPT, INSERT, bulk_values
from ringback.store.assignments import end_assignments
from ringback.store.bulk_params import any_of, to_instant
from ringback.store.database import Connection, Database, SqlPart, reads, writes
from ringback.store.queries import announce, lock
from ringback.store.tables import audit_trail, callbacks

_Function: TypeAlias = Callable[..., ColumnElement[Any]]

_BYTES: Final = 8 * 1024 * 1024
"""A statement ends after this many bytes of answers, because a driver copies them several times."""

#: Clear the due times of default answers and of polls of the sender, which are no longer needed.
_CLEAR_DUE_TIMES: Final = (
    update(callbacks)
    .where(
        any_of(callbacks.c.id, "ids"),
        callbacks.c.default_due_at.is_not(None) | callbacks.c.sender_poll_due_at.is_not(None),
    )
    .values(default_due_at=None, sender_poll_due_at=None)
)

_TERM_COLUMNS: Final[Sequence[ColumnElement[Any]]] = (
    callbacks.c.id,
    callbacks.c.namespace,
    callbacks.c.workflow_id,
    callbacks.c.activity_id,
    callbacks.c.workflow_type,
    callbacks.c.activity_type,
    callbacks.c.task_queue,
    callbacks.c.schema_id,
    callbacks.c.policy.is_not(None),
    callbacks.c.traceparent,
)
"""The fields of `ringback.domain.terms.Terms`, in their order."""


def _select_terms(all_of: _Function, one: _Function) -> Select[Any]:
    return select(all_of(one(*_TERM_COLUMNS), type_=JSON)).where(any_of(callbacks.c.id, "ids"))


#: The terms of callbacks as one JSON value; `NULL` if no callback exists.
_TERMS: Final = {
    "sqlite": _select_terms(func.json_group_array, func.json_array),
    "postgresql": _select_terms(func.json_agg, func.json_build_array),
}

_evidence_count = (
    select(func.count())
    .select_from(audit_trail)
    .where(
        audit_trail.c.callback_id == bindparam("callback_id"),
        audit_trail.c.kind == bindparam("kind"),
    )
    .scalar_subquery()
)

_entry_columns = ["callback_id", "at", "kind", "facts"]

#: Store evidence unless the callback has `MAX_EVIDENCE` entries.
_STORE_EVIDENCE: Final = insert(audit_trail).from_select(
    _entry_columns,
    select(*(bindparam(name, type_=audit_trail.c[name].type) for name in _entry_columns)).where(
        _evidence_count < MAX_EVIDENCE
    ),
)


class SqlAnswers(SqlPart):
    """The answers of `CallbackStore` on a SQL database."""

    @reads
    async def terms(
        self, connection: Connection, callback_ids: Sequence[CallbackId]
    ) -> Mapping[CallbackId, Terms]:
        return await find_terms(connection, callback_ids)

    async def accept(self, answers: Sequence[Answer]) -> Sequence[datetime | None]:
        accepted: dict[OutcomeId, datetime] = {}
        left = answers
        if self._database.commits_statements:
            accepted, left = await self._database.write_alone(
                lambda connection: accept_alone(self._database, connection, answers)
            )
        if left:
            accepted |= await self._accept(left)
        if accepted:
            self._database.announce_accepted()
        return [accepted.get(answer.id) for answer in answers]

    @writes
    async def _accept(
        self, connection: Connection, answers: Sequence[Answer]
    ) -> dict[OutcomeId, datetime]:
        return await accept(self._database, connection, answers)

    @writes
    async def store_evidence(self, connection: Connection, answers: Sequence[Answer]) -> None:
        known = await lock(connection, [answer.callback_id for answer in answers])
        now = await self._database.now(connection)
        for answer in answers:
            if answer.callback_id in known:
                evidence = mapping.from_entry(_evidence(answer, now))
                await connection.execute(_STORE_EVIDENCE, evidence)


async def accept(
    database: Database,
    connection: Connection,
    answers: Sequence[Answer],
    *,
    is_default: bool = False,
) -> dict[OutcomeId, datetime]:
    """Store the first answer to each open callback; return when each was accepted.

    An answer by a revoked link is not stored: its serial differs from the callback's. With
    `is_default`, the answers are default answers, taken at the deadline.
    """
    accepted: dict[OutcomeId, datetime] = {}
    for part in _by_size(_first_of_each(answers)):
        accepted |= await _accept(database, connection, part, is_default=is_default)
    return accepted


async def accept_alone(
    database: Database, connection: Connection, answers: Sequence[Answer]
) -> tuple[dict[OutcomeId, datetime], Sequence[Answer]]:
    """Do the same as `accept` with statements that each commit; return also the answers left over.

    Those need a transaction: their callbacks have default answers, polls of the sender or people
    rules, or notify people or programs.
    """
    accepted: dict[OutcomeId, datetime] = {}
    left: list[Answer] = []
    for part in _by_size(_first_of_each(answers)):
        values = _values(database, part, is_default=False, in_transaction=False)
        found = await _run(database, connection, values)
        accepted |= {OutcomeId(row[0]): to_instant(row[1]) for row in found if row[0] is not None}
        if any(has_more_to_do for _, _, has_more_to_do, _ in found):
            left += [answer for answer in part if answer.id not in accepted]
    return accepted, left


async def _accept(
    database: Database, connection: Connection, answers: Sequence[Answer], *, is_default: bool
) -> dict[OutcomeId, datetime]:
    values = _values(database, answers, is_default=is_default, in_transaction=True)
    found = await _run(database, connection, values)
    stored = [row for row in found if row[0] is not None]
    accepted = {OutcomeId(id_): to_instant(at) for id_, at, _, _ in stored}
    more_to_do = {id_ for id_, _, has_more_to_do, _ in stored if has_more_to_do}
    if more_to_do:
        unusual = [answer for answer in answers if answer.id in more_to_do]
        callback_ids = [answer.callback_id for answer in unusual]
        await connection.execute(_CLEAR_DUE_TIMES, {"ids": callback_ids})
        accepted_entries = [
            _to_entry(one, accepted[one.id], is_default=is_default) for one in unusual
        ]
        await announce(connection, accepted_entries)
    questions = {id_ for id_, _, _, has_policy in stored if has_policy}
    if questions:
        ended = [answer.callback_id for answer in answers if answer.id in questions]
        # All answers of a statement are accepted at the same time.
        await end_assignments(connection, ended, max(accepted.values()))
    return accepted


def _values(
    database: Database, answers: Sequence[Answer], *, is_default: bool, in_transaction: bool
) -> dict[str, object]:
    return {
        **bulk_values(database.dialect, answers),
        "is_default": is_default,
        "in_transaction": in_transaction,
        "now": database.own_now(),
    }


async def _run(
    database: Database, connection: Connection, values: dict[str, object]
) -> Sequence[tuple[Any, Any, bool, bool]]:
    insert_first = INSERT.get(database.dialect)
    if insert_first is not None:
        await connection.execute(insert_first, values)
    return await connection.scalar(ACCEPT[database.dialect], values) or []


def _to_entry(answer: Answer, accepted_at: datetime, *, is_default: bool) -> AuditEntry:
    facts = mapping.to_accepted_facts(KINDS[type(answer.outcome)], answer.id, is_default)
    return AuditEntry(answer.callback_id, accepted_at, AuditKind.ACCEPTED, facts)


async def find_terms(
    connection: Connection, ids: Collection[CallbackId]
) -> dict[CallbackId, Terms]:
    """Return the terms of those callbacks that exist."""
    statement = _TERMS[connection.dialect.name]
    found = await connection.scalar(statement, {"ids": ids}) or []
    return {terms.callback_id: terms for terms in starmap(Terms, found)}


def _first_of_each(answers: Sequence[Answer]) -> Sequence[Answer]:
    """Return the first answer to each callback by each of its links, sorted by callback.

    The very first may have come by a revoked link.
    """
    first: dict[tuple[CallbackId, int | None], Answer] = {}
    for answer in answers:
        first.setdefault((answer.callback_id, answer.link_serial), answer)
    return sorted(first.values(), key=lambda answer: answer.callback_id)


def _by_size(answers: Sequence[Answer]) -> Iterator[Sequence[Answer]]:
    """Yield the answers in parts of about `_BYTES`."""
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


def _evidence(answer: Answer, now: datetime) -> AuditEntry:
    body = to_body(answer.outcome) or b""
    facts: dict[str, object] = {
        "kind": KINDS[type(answer.outcome)],
        **to_fields(answer.outcome),
        "body": body[:EVIDENCE_BYTES].decode("utf-8", "replace"),
    }
    return AuditEntry(answer.callback_id, now, AuditKind.ANSWERED_DIFFERENTLY, facts)
