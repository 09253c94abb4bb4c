"""The ledger: callbacks and outcomes, read as an operator and from the database."""

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from chaos.queue import VALUE
from chaos.values import values_in
from chaos.webhooks import StoredEvent
from ringback.app.stores import existing_store
from ringback.app.system import SystemClock
from ringback.core.status import serialize_callback
from ringback.domain.audit import AuditKind
from ringback.domain.callback import State
from ringback.domain.errors import RingbackError
from ringback.ports.store import CallbackQuery
from ringback.settings import Settings

_VERDICTS: Final = ("applied", "superseded", "parked")
_VOTED, _WITHDRAWN = AuditKind.VOTED.value, AuditKind.VOTE_WITHDRAWN.value
_DIFFERED: Final = AuditKind.ANSWERED_DIFFERENTLY.value
_OF_VOTERS: Final = (_VOTED, _WITHDRAWN)
_ALL: Final = 1_000_000

_UNSETTLED: Final = """
SELECT (SELECT count(*) FROM outcomes WHERE state = 'accepted')
     + (SELECT count(*) FROM callbacks WHERE closed_at IS NULL
        AND id NOT IN (SELECT callback_id FROM outcomes))
     + (SELECT count(*) FROM notifications WHERE due_at IS NOT NULL)
     + (SELECT count(*) FROM events WHERE due_at IS NOT NULL
        AND alias IN (SELECT alias FROM aliases))
"""
_BODIES: Final = "SELECT callback_id, body, fields FROM outcomes"
_ENTRIES: Final = "SELECT callback_id, kind, facts FROM audit_trail ORDER BY id"
_VOTES: Final = "SELECT callback_id, voter, approved FROM votes"
_EVENTS: Final = """
SELECT delivery_key, source_deliveries.headers, state, callback_id, reason,
  alias IN (SELECT alias FROM aliases) AS has_alias
FROM events JOIN source_deliveries ON source_deliveries.id = events.delivery_id
"""
_MESSAGES: Final = "SELECT callback_id, channel, due_at, sent_at, ref FROM notifications"


class LedgerUnreadableError(Exception):
    """The ledger could not be read."""


@dataclass(frozen=True, slots=True)
class Message:
    """What the ledger knows of one message to people.

    Attributes:
        channel: The channel.
        is_due: Whether something is still to be sent.
        is_sent: Whether it was sent.
        name: What names it in its channel, if it was sent.
    """

    channel: str
    is_due: bool
    is_sent: bool
    name: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A callback in the ledger.

    Attributes:
        callback_id: Its id.
        workflow_id: The workflow.
        state: Its state.
        attempt: The latest attempt that opened it.
        outcome_id: The accepted outcome, if any.
        kind: That outcome's kind.
        values: The values in that outcome.
        proof: The stored proof.
        last_error: The last delivery error.
        verdicts: The verdicts in its audit trail.
        differed: The values of answers that differ from the first, in its audit trail.
        votes: The stored votes, by user.
        voted: The users of all votes in its audit trail, with repetitions.
        withdrawn: The users of all withdrawals in it.
        decision: What people decided, if they did.
        decided_by: The users in that decision, with repetitions.
        opened_at: When it was opened.
        ended_at: When it got its outcome, or was closed without one.
        messages: Its messages to people, by channel.
    """

    callback_id: str
    workflow_id: str
    state: str
    attempt: int
    outcome_id: str | None
    kind: str | None
    values: list[str]
    proof: Mapping[str, Any]
    last_error: str | None
    verdicts: list[str]
    differed: list[str] = field(default_factory=list)
    votes: Mapping[str, bool] = field(default_factory=dict)
    voted: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    decision: bool | None = None
    decided_by: list[str] = field(default_factory=list)
    opened_at: datetime = datetime(2030, 1, 1, tzinfo=UTC)
    ended_at: datetime | None = None
    messages: Mapping[str, Message] = field(default_factory=dict)


class Ledger:
    """Reads the ledger without changing it."""

    def __init__(self, url: str, settings: Settings) -> None:
        """Read the database at `url`, the store of `settings`."""
        self._engine = create_async_engine(url)
        self._settings = settings

    async def close(self) -> None:
        """Close all connections."""
        await self._engine.dispose()

    async def unsettled(self) -> int:
        """Return the number of unsettled callbacks."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(text(_UNSETTLED))).scalar_one())

    async def read(self) -> dict[str, Entry]:
        """Return all callbacks by id.

        Raises:
            LedgerUnreadableError: The store cannot be read.
        """
        listed = await self._list()
        values: dict[str, list[str]] = {}
        decisions: dict[str, dict[str, Any]] = {}
        votes: defaultdict[str, dict[str, bool]] = defaultdict(dict)
        verdicts: defaultdict[str, list[str]] = defaultdict(list)
        differed: defaultdict[str, list[str]] = defaultdict(list)
        voters: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
        messages: defaultdict[str, dict[str, Message]] = defaultdict(dict)
        async with self._engine.connect() as connection:
            for row in await connection.execute(text(_BODIES)):
                values[row.callback_id] = values_in(
                    bytes(row.body or b"") + str(row.fields).encode()
                )
                decisions[row.callback_id] = _to_decision(row.body)
            for row in await connection.execute(text(_VOTES)):
                votes[row.callback_id][row.voter] = bool(row.approved)
            for row in await connection.execute(text(_MESSAGES)):
                messages[row.callback_id][row.channel] = _to_message(row)
            for row in await connection.execute(text(_ENTRIES)):
                if row.kind in _VERDICTS:
                    verdicts[row.callback_id].append(row.kind)
                if row.kind == _DIFFERED:
                    differed[row.callback_id] += values_in(str(row.facts))
                if row.kind in _OF_VOTERS:
                    voters[row.callback_id, row.kind].append(_user_of(row.facts))
        entries = (_to_entry(one, values.get(one["id"], []), verdicts[one["id"]]) for one in listed)
        return {
            entry.callback_id: replace(
                entry,
                votes=votes[entry.callback_id],
                messages=messages[entry.callback_id],
                differed=differed[entry.callback_id],
                voted=voters[entry.callback_id, _VOTED],
                withdrawn=voters[entry.callback_id, _WITHDRAWN],
                decision=decisions.get(entry.callback_id, {}).get("approved"),
                decided_by=[
                    vote["by"] for vote in decisions.get(entry.callback_id, {}).get("votes", [])
                ],
            )
            for entry in entries
        }

    async def events(self) -> dict[str, list[StoredEvent]]:
        """Return what became of each event, by the value of its answer."""
        found: defaultdict[str, list[StoredEvent]] = defaultdict(list)
        async with self._engine.connect() as connection:
            for row in await connection.execute(text(_EVENTS)):
                event = StoredEvent(row.state, row.callback_id, bool(row.has_alias), row.reason)
                value = _to_object(row.headers).get(VALUE)
                found[value or row.delivery_key].append(event)
        return found

    async def _list(self) -> list[dict[str, Any]]:
        try:
            async with existing_store(self._settings, SystemClock()) as store:
                found = await store.page(
                    CallbackQuery(states=frozenset(State)), after=None, limit=_ALL
                )
        except RingbackError as exc:
            raise LedgerUnreadableError(str(exc)) from exc
        return [serialize_callback(callback) for callback in found]


def _to_decision(body: bytes | None) -> dict[str, Any]:
    try:
        told = json.loads(bytes(body or b"null"))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _user_of(facts: str | dict[str, Any]) -> str:
    return str(_to_object(facts)["user"])


def _to_message(row: Any) -> Message:
    ref = _to_object(row.ref) or {}
    name = ref.get("ts") or ref.get("message_id")
    return Message(row.channel, row.due_at is not None, row.sent_at is not None, name)


def _to_object(value: str | dict[str, Any] | None) -> Any:
    # Drivers return JSON as text, or as an object.
    return json.loads(value) if isinstance(value, str) else value


def _to_entry(listed: Mapping[str, Any], values: list[str], verdicts: list[str]) -> Entry:
    outcome = listed["outcome"] or {}
    return Entry(
        callback_id=listed["id"],
        workflow_id=listed["workflow_id"],
        state=listed["state"],
        attempt=listed["attempt"],
        outcome_id=outcome.get("id"),
        kind=outcome.get("kind"),
        values=values,
        proof=outcome.get("proof") or {},
        last_error=outcome.get("last_error"),
        verdicts=verdicts,
        opened_at=listed["opened_at"],
        ended_at=outcome.get("accepted_at") or listed["expired_at"],
    )
