"""Stores with open callbacks: made once, and copied for each run, so that all begin alike."""

import os
import shutil
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

import asyncpg

from benchmarks.postgresql import Cluster
from benchmarks.questions import Keys, open_questions
from benchmarks.wrk import DriveError

OUTCOMES: Final = "outcomes"


Fill = Callable[[str], Awaitable[object]]
"""Adds to the store at a URL."""


async def fill_nothing(_: str) -> None:
    """Leave a store as it is."""


class Template(Protocol):
    """A store with open callbacks, to be copied.

    Attributes:
        paths: The path of the link to each.
    """

    paths: list[str]

    def copied(self) -> AbstractAsyncContextManager[str]:
        """Copy it for the block; yield the copy's URL."""
        ...


class SqliteTemplate:
    """A file."""

    def __init__(self, file: Path, paths: list[str]) -> None:
        """Copy `file`."""
        self.paths = paths
        self._file = file

    @classmethod
    async def make(
        cls,
        folder: Path,
        keys: Keys,
        count: int,
        *,
        has_aliases: bool = False,
        is_traced: bool = False,
        fill: Fill = fill_nothing,
    ) -> "SqliteTemplate":
        """Make one in `folder` with `count` open callbacks and what `fill` adds."""
        file = folder / "template.db"
        url = f"sqlite:///{file}"
        paths = await open_questions(url, keys, count, has_aliases=has_aliases, is_traced=is_traced)
        await fill(url)
        with sqlite3.connect(file) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return cls(file, paths)

    @asynccontextmanager
    async def copied(self) -> AsyncIterator[str]:
        """See `Template`."""
        copy = self._file.with_name("copy.db")
        shutil.copyfile(self._file, copy)
        write_out(copy)
        try:
            yield f"sqlite:///{copy}"
        finally:
            for file in copy.parent.glob(f"{copy.name}*"):
                file.unlink()


class PostgresqlTemplate:
    """A database."""

    def __init__(self, cluster: Cluster, database: str, paths: list[str]) -> None:
        """Copy `database`."""
        self.paths = paths
        self._cluster = cluster
        self._database = database

    @classmethod
    async def make(
        cls,
        cluster: Cluster,
        keys: Keys,
        count: int,
        *,
        has_aliases: bool = False,
        fill: Fill = fill_nothing,
    ) -> "PostgresqlTemplate":
        """Make one with `count` open callbacks and what `fill` adds."""
        database = await cluster.copy()
        paths = await open_questions(cluster.url(database), keys, count, has_aliases=has_aliases)
        await fill(cluster.url(database))
        return cls(cluster, database, paths)

    @asynccontextmanager
    async def copied(self) -> AsyncIterator[str]:
        """See `Template`."""
        copy = await self._cluster.copy(self._database)
        try:
            yield self._cluster.url(copy)
        finally:
            await self._cluster.drop(copy)


def write_out(file: Path) -> None:
    """Have what was written to `file` on the disk now, not when a commit waits for the disk."""
    with file.open("rb+") as written:
        os.fsync(written.fileno())


async def check_kept(store_url: str, taken: int, *, table: str = OUTCOMES) -> None:
    """Check that a store holds just as many answers, or rows of another table, as were taken.

    Raises:
        DriveError: It holds more or less.
    """
    held = await count_rows(store_url, table)
    if held != taken:
        msg = f"{taken} answers were taken, but the store holds {held}"
        raise DriveError(msg)


async def count_accepted(store_url: str) -> int:
    """Return how many answers a store holds."""
    return await count_rows(store_url, OUTCOMES)


async def count_rows(store_url: str, table: str) -> int:
    """Return how many rows a table of a store has."""
    count = f"SELECT count(*) FROM {table}"  # noqa: S608 - a name of ours
    if store_url.startswith("sqlite"):
        with sqlite3.connect(urlsplit(store_url).path) as file:
            (held,) = file.execute(count).fetchone()
            return int(held)
    connection = await asyncpg.connect(store_url)
    try:
        return int(await connection.fetchval(count))
    finally:
        await connection.close()
