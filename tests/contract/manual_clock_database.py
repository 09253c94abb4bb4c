"""A PostgreSQL database whose time a test sets."""

from collections.abc import Collection
from datetime import datetime

from ringback.domain.ids import CallbackId
from ringback.ports.clock import Clock
from ringback.store.database import Connection
from ringback.store.postgresql import PostgresqlDatabase


class ManualClockDatabase(PostgresqlDatabase):
    """Dates rows by a test's clock, which may be replaced."""

    def __init__(self, url: str, clock: Clock) -> None:
        super().__init__(url)
        self.clock = clock

    async def now(self, connection: Connection) -> datetime:  # noqa: ARG002 - the test's
        return self.clock.now()

    def own_now(self) -> datetime:
        return self.clock.now()

    async def lock_now(
        self, connection: Connection, callback_ids: Collection[CallbackId]
    ) -> datetime:
        await super().lock_now(connection, callback_ids)
        return self.clock.now()
