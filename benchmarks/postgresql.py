"""A PostgreSQL server of the run's own, as it comes: every commit is durable."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg

from benchmarks.programs import MissingToolError, Program, running
from chaos.postgresql import NoPostgresqlError, make_cluster, server_folder
from chaos.programs import Recipe
from ringback.app.web import free_ports


class Cluster:
    """A running server."""

    def __init__(self, port: int, server: Program) -> None:
        """Use the one on `port`, which is the program `server`."""
        self._port = port
        self.server = server

    def url(self, database: str) -> str:
        """Return the address of a database."""
        return f"postgresql://ringback@127.0.0.1:{self._port}/{database}"

    async def copy(self, template: str | None = None) -> str:
        """Make a database, empty or as `template`; return its name."""
        name = f"bench_{uuid4().hex}"
        like = f' TEMPLATE "{template}"' if template else ""
        await self._execute(f'CREATE DATABASE "{name}"{like}')
        return name

    async def drop(self, database: str) -> None:
        """Drop a database, whoever still uses it."""
        await self._execute(f'DROP DATABASE "{database}" WITH (FORCE)')

    async def _execute(self, statement: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


@asynccontextmanager
async def running_cluster(folder: Path) -> AsyncIterator[Cluster]:
    """Run a server for the block, with its data below `folder`.

    Raises:
        MissingToolError: The server's programs are not on this machine.
    """
    (port,) = free_ports(1)
    recipe = _made(folder, port)
    async with running(recipe.words, cwd=folder, environment=recipe.environment) as server:
        await server.until(recipe.is_ready)
        yield Cluster(port, server)


def postgresql_programs() -> Path:
    """Return the folder with the server's programs.

    Raises:
        MissingToolError: They are not on this machine.
    """
    try:
        return server_folder()
    except NoPostgresqlError as exc:
        msg = f"{exc}; install it with: apt-get install postgresql"
        raise MissingToolError(msg) from exc


def _made(folder: Path, port: int) -> Recipe:
    postgresql_programs()
    # The server does not run as root, and must get to its data.
    folder.chmod(0o755)
    return make_cluster(folder, port)
