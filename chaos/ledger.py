"""The ledger, as an operator reads it and as it stands in the database."""

import asyncio
import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from chaos.values import values_in

_STATES: Final = ("open", "accepted", "applied", "superseded", "parked", "expired")
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
    """The ledger could not be read; the message says what was said."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A callback in the ledger.

    Attributes:
        callback_id: Its id.
        workflow_id: The workflow that asks.
        state: Where it stands.
        attempt: The latest attempt that asked.
        outcome_id: The outcome that won, if there is one.
        kind: That outcome's kind.
        values: The values that stand in that outcome.
        proof: What the ledger keeps as its proof.
        trouble: Why it is not delivered.
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
    trouble: str | None
    verdicts: list[str]


class Ledger:
    """Reads the ledger; changes nothing."""

    def __init__(self, url: str, environment: Mapping[str, str], folder: Path) -> None:
        """Read the database at `url`, and run `ringback list` with `environment` in `folder`."""
        self._engine = create_async_engine(url)
        self._environment = environment
        self._folder = folder

    async def close(self) -> None:
        """Give the connections back."""
        await self._engine.dispose()

    async def unsettled(self) -> int:
        """Return how many callbacks wait for something."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(text(_UNSETTLED))).scalar_one())

    async def read(self) -> dict[str, Entry]:
        """Return all callbacks by id.

        Raises:
            LedgerUnreadableError: `ringback list` ended with an error.
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
        states = [word for state in _STATES for word in ("--state", state)]
        words = ["-m", "ringback", "list", "--json", "--limit", str(_ALL), *states]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *words,
            env=dict(self._environment),
            cwd=self._folder,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        listed, said = await process.communicate()
        if process.returncode != 0:
            raise LedgerUnreadableError(said.decode())
        found: list[dict[str, Any]] = json.loads(listed)
        return found


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
        trouble=outcome.get("trouble"),
        verdicts=verdicts,
    )
