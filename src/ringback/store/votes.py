"""Votes, and changes to open questions."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, delete, insert, select, update

from ringback.domain.assignment import Change
from ringback.domain.audit import AuditEntry, AuditKind
from ringback.domain.callback import Callback, State
from ringback.domain.errors import RingbackError, UnknownCallbackError, UnreadableCallbackError
from ringback.domain.ids import CallbackId
from ringback.domain.policy import Proof, Voter
from ringback.domain.text_checks import to_key
from ringback.domain.vote import CountedVote, Vote, VoteRequest, count_vote, find_vote
from ringback.ports.store import Answer
from ringback.ports.votes import Rule
from ringback.store.answers import accept
from ringback.store.assignments import assign_again, touch_assignments
from ringback.store.bulk_params import any_of
from ringback.store.database import Connection, SqlPart, reads, writes
from ringback.store.notifications import add_notifications
from ringback.store.queries import execute_each, find, find_readable, lock, parts, record
from ringback.store.tables import callbacks, votes
from ringback.store.unreadable import AnyRow, RowTypes, read_rows

_TYPES: Final = RowTypes([*votes.c])

_VOTES: Final = (
    select(votes).where(any_of(votes.c.callback_id, "ids")).order_by(votes.c.at, votes.c.voter)
)

_ADD_VOTE: Final = insert(votes)

_REMOVE_VOTE: Final = delete(votes).where(
    votes.c.callback_id == bindparam("of_callback"), votes.c.voter == bindparam("of_voter")
)

_CHANGE: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"))
    .values(
        claimant=bindparam("claimant_"),
        policy=bindparam("policy_", type_=callbacks.c.policy.type),
        details=bindparam("details_", type_=callbacks.c.details.type),
        ballots=bindparam("ballots_", type_=callbacks.c.ballots.type),
    )
)


_COUNT_WITHDRAWAL: Final = (
    update(callbacks)
    .where(callbacks.c.id == bindparam("callback_id"))
    .values(ballots=bindparam("ballots_", type_=callbacks.c.ballots.type))
)


class SqlVotes(SqlPart):
    """`VoteStore` on a SQL database."""

    async def vote(
        self, requests: Sequence[VoteRequest]
    ) -> Sequence[CountedVote | RingbackError | None]:
        counted = await self._vote(requests)
        if any(isinstance(one, CountedVote) and one.outcome is not None for one in counted):
            self._database.announce_accepted()
        return counted

    @writes
    async def _vote(
        self, connection: Connection, requests: Sequence[VoteRequest]
    ) -> Sequence[CountedVote | RingbackError | None]:
        ids = {request.callback_id for request in requests}
        await lock(connection, ids)
        now = await self._database.now(connection)
        found = await find_readable(connection, ids)
        votes_of, unreadable = await find_votes(connection, ids)
        for callback_id in unreadable:
            found.pop(callback_id, None)
        results: list[CountedVote | RingbackError | None] = []
        counted: list[CallbackId] = []
        deciding: list[tuple[VoteRequest, CountedVote]] = []
        for request in requests:
            result = _count(found.get(request.callback_id), votes_of, request, now=now)
            results.append(result)
            if not isinstance(result, CountedVote) or result.is_duplicate:
                continue
            votes_of[request.callback_id].append(result.vote)
            counted.append(request.callback_id)
            await connection.execute(_ADD_VOTE, _from_vote(request.callback_id, result.vote))
            await record(connection, [_voted(request.callback_id, result.vote)])
            if result.outcome is not None:
                # The votes that follow in this batch find it closed.
                del found[request.callback_id]
                deciding.append((request, result))
        await touch_assignments(connection, counted, now)
        await self._store_outcomes(connection, deciding)
        return results

    async def _store_outcomes(
        self, connection: Connection, deciding: Sequence[tuple[VoteRequest, CountedVote]]
    ) -> None:
        answers = [
            Answer(request.callback_id, request.outcome_id, counted.outcome)
            for request, counted in deciding
            if counted.outcome is not None
        ]
        accepted = await accept(self._database, connection, answers)
        assert len(accepted) == len(answers), "these callbacks are locked, and were open"

    @reads
    async def votes(
        self, connection: Connection, callback_ids: Sequence[CallbackId]
    ) -> Mapping[CallbackId, Sequence[Vote]]:
        return (await find_votes(connection, callback_ids))[0]

    @writes
    async def withdraw(
        self,
        connection: Connection,
        callback_id: CallbackId,
        voter: Voter,
        *,
        ballot: int | None = None,
    ) -> Vote | None:
        await lock(connection, [callback_id])
        now = await self._database.now(connection)
        callback = (await find(connection, [callback_id])).get(callback_id)
        if callback is None or callback.state is not State.OPEN:
            return None
        if ballot not in {None, callback.ballot_of(voter.user)}:
            return None
        vote = find_vote(await _votes_of(connection, callback_id), voter.user)
        if vote is not None:
            await _remove(connection, callback_id, [vote])
            ballots = callback.next_ballots([voter.user])
            changed = {"callback_id": callback_id, "ballots_": ballots}
            await connection.execute(_COUNT_WITHDRAWAL, changed)
            await touch_assignments(connection, [callback_id], now)
            facts: dict[str, object] = {"user": voter.user, "proof": voter.proof.value}
            await record(
                connection, [AuditEntry(callback_id, now, AuditKind.VOTE_WITHDRAWN, facts)]
            )
        return vote

    @writes
    async def change(
        self, connection: Connection, callback_id: CallbackId, rule: Rule, *, by: dict[str, object]
    ) -> Callback | None:
        await lock(connection, [callback_id])
        now = await self._database.now(connection)
        callback = (await find(connection, [callback_id])).get(callback_id)
        if callback is None or callback.state is not State.OPEN:
            return None
        change = rule(callback, await _votes_of(connection, callback_id))
        if change.kind is not None:
            await _apply(connection, change, now)
            facts = {**(change.facts or {}), **by}
            await record(connection, [AuditEntry(callback_id, now, change.kind, facts)])
        return change.callback


async def find_votes(
    connection: Connection, ids: Collection[CallbackId]
) -> tuple[dict[CallbackId, list[Vote]], set[CallbackId]]:
    """Return the votes of callbacks, oldest first, and the callbacks with a vote unread."""
    found: dict[CallbackId, list[Vote]] = defaultdict(list)
    unreadable: set[CallbackId] = set()
    for part in parts(ids):
        rows = list(await connection.execute(_VOTES, {"ids": part}))
        readable, others = read_rows(rows, _to_vote)
        for callback_id, vote in readable:
            found[callback_id].append(vote)
        unreadable.update(CallbackId(row.callback_id) for row in others)
    return found, unreadable


async def _votes_of(connection: Connection, callback_id: CallbackId) -> Sequence[Vote]:
    found, unreadable = await find_votes(connection, [callback_id])
    if unreadable:
        raise UnreadableCallbackError(callback_id)
    return found[callback_id]


async def _apply(connection: Connection, change: Change, now: datetime) -> None:
    callback = change.callback
    policy = callback.options.policy
    await connection.execute(
        _CHANGE,
        {
            "callback_id": callback.id,
            "claimant_": callback.claimant,
            "policy_": None if policy is None else policy.to_plain(),
            "details_": callback.options.details,
            "ballots_": callback.ballots,
        },
    )
    await assign_again(connection, callback, now)
    if change.kind is AuditKind.REASSIGNED:
        await add_notifications(connection, [callback], now)
    await _remove(connection, callback.id, change.removed)


async def _remove(connection: Connection, callback_id: CallbackId, removed: Iterable[Vote]) -> None:
    rows = [{"of_callback": callback_id, "of_voter": to_key(vote.user)} for vote in removed]
    await execute_each(connection, _REMOVE_VOTE, rows)


def _count(
    callback: Callback | None,
    votes_of: Mapping[CallbackId, Sequence[Vote]],
    request: VoteRequest,
    *,
    now: datetime,
) -> CountedVote | RingbackError | None:
    is_open = callback is not None and callback.state is State.OPEN
    if callback is None or not is_open or callback.options.policy is None:
        return None
    if not callback.accepts_serial(request.link_serial):
        return UnknownCallbackError()
    try:
        return count_vote(callback, votes_of[request.callback_id], request, now=now)
    except RingbackError as exc:
        return exc


def _voted(callback_id: CallbackId, vote: Vote) -> AuditEntry:
    facts: dict[str, object] = {
        "user": vote.user,
        "proof": vote.proof.value,
        "via": vote.via,
        "approved": vote.approved,
        "reason": vote.reason,
    }
    return AuditEntry(callback_id, vote.at, AuditKind.VOTED, facts)


def _from_vote(callback_id: CallbackId, vote: Vote) -> dict[str, Any]:
    return {
        "callback_id": callback_id,
        "voter": to_key(vote.user),
        "user": vote.user,
        "groups": sorted(vote.groups),
        "proof": vote.proof.value,
        "via": vote.via,
        "approved": vote.approved,
        "reason": vote.reason,
        "body": vote.body,
        "digest": vote.digest,
        "at": vote.at,
    }


def _to_vote(row: AnyRow) -> tuple[CallbackId, Vote]:
    _TYPES.check(row)
    if not all(isinstance(group, str) for group in row.groups):
        msg = "the column groups contains a value that is not text"
        raise ValueError(msg)
    vote = Vote(
        user=row.user,
        groups=frozenset(row.groups),
        proof=Proof(row.proof),
        via=row.via,
        approved=row.approved,
        reason=row.reason,
        body=row.body,
        digest=row.digest,
        at=row.at,
    )
    return CallbackId(row.callback_id), vote
