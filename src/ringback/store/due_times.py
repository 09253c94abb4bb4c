"""Repairing due times after a clock was set back, on a SQL database."""

from sqlalchemy import Update

from ringback.ports.due_times import LongestWaits
from ringback.store.connection import Connection
from ringback.store.database import Database
from ringback.store.statements import due_times as statements
from ringback.store.transactions import writes


class SqlDueTimes:
    """`DueTimes` on a SQL database."""

    def __init__(self, database: Database) -> None:
        """Store everything in `database`, whose schema is the newest."""
        self._database = database

    @writes
    async def pull_in(self, connection: Connection, longest: LongestWaits) -> int:
        """See `DueTimes.pull_in`."""
        now = await self._database.now(connection)
        repairs: list[tuple[Update, dict[str, object]]] = [
            (statements.DELIVERIES, {"latest": now + longest.delivery}),
            (statements.WEBHOOKS, {"latest": now + longest.webhook}),
            (statements.LOOKS, {"latest": now + longest.poll}),
            (statements.BEATS, {}),
        ]
        repaired = 0
        for statement, values in repairs:
            result = await connection.execute(statement, {"now": now, **values})
            repaired += result.rowcount
        return repaired
