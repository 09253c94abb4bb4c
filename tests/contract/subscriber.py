"""A subscriber to the notifications of a PostgreSQL database."""

import asyncio
from typing import Final

from ringback.domain.ids import CallbackId
from ringback.store.postgresql import PostgresqlDatabase
from ringback.store.sql_store import SqlStore

_IN_TIME: Final = 8


class Subscriber:
    """Another process, with the notifications that it received."""

    def __init__(self, url: str) -> None:
        self._database = PostgresqlDatabase(url)
        self._accepted = asyncio.Event()
        self._settled: asyncio.Queue[list[CallbackId]] = asyncio.Queue()

    async def run(self) -> None:
        await SqlStore(self._database).subscribe(
            on_accepted=self._accepted.set,
            on_settled=lambda ids: self._settled.put_nowait(list(ids)),
        )

    async def wait_for_accepted(self) -> None:
        async with asyncio.timeout(_IN_TIME):
            await self._accepted.wait()
        self._accepted.clear()

    async def wait_for_settled(self) -> list[CallbackId]:
        async with asyncio.timeout(_IN_TIME):
            return await self._settled.get()

    def has_received_nothing(self) -> bool:
        return not self._accepted.is_set() and self._settled.empty()

    async def close(self) -> None:
        await self._database.close()
