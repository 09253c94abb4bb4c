"""The ledger: callbacks and outcomes, read as an operator and from the database."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from chaos.values import values_in
from ringback.app.stores import existing_store
from ringback.app.system import SystemClock
from ringback.core.status import serialize_callback
from ringback.domain.callback import State
from ringback.domain.errors import RingbackError
from ringback.domain.query import Query
from ringback.settings import Settings

_VERDICTS: Final = ("applied", "superseded", "parked")
_ALL: Final = 1_000_000

_UNSETTLED: Final = """
SELECT (SELECT count(*) FROM outcomes WHERE state = 'accepted')
     + (SELECT count(*) FROM callbacks WHERE closed_at IS NULL
        AND id NOT IN (SELECT callback_id FROM outcomes))
"""
_BODIES: Final = "SELECT callback_id, body, fields FROM outcomes"
_EVENTS: Final = "SELECT callback_id, kind FROM events ORDER BY id"


class LedgerUnreadableError(Exception):
    """The ledger could not be read."""


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
        verdicts: defaultdict[str, list[str]] = defaultdict(list)
        async with self._engine.connect() as connection:
            for row in await connection.execute(text(_BODIES)):
                values[row.callback_id] = values_in(
                    bytes(row.body or b"") + str(row.fields).encode()
                )
            for row in await connection.execute(text(_EVENTS)):
                if row.kind in _VERDICTS:
                    verdicts[row.callback_id].append(row.kind)
        return {
            one["id"]: _to_entry(one, values.get(one["id"], []), verdicts[one["id"]])
            for one in listed
        }

    async def _list(self) -> list[dict[str, Any]]:
        try:
            async with existing_store(self._settings, SystemClock()) as store:
                found = await store.page(Query(states=frozenset(State)), after=None, limit=_ALL)
        except RingbackError as exc:
            raise LedgerUnreadableError(str(exc)) from exc
        return [serialize_callback(callback) for callback in found]


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
    )
