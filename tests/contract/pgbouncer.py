"""PgBouncer in front of PostgreSQL, in session mode by default."""

import asyncio
import os
import pwd
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import SplitResult, urlsplit, urlunsplit

import asyncpg

from tests.contract.postgresql_cluster import unused_port
from tests.services import missing

_UNPRIVILEGED = "postgres"
_LIMIT_SECONDS = 20


@asynccontextmanager
async def pooled(url: str, *extra: str) -> AsyncIterator[str]:
    """Run PgBouncer for the block; yield the URL through it. A setting in `extra` wins."""
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        missing("the program pgbouncer", "install the package pgbouncer")
    folder = Path(tempfile.mkdtemp(prefix="ringback-pgbouncer-"))
    port = unused_port()
    settings = folder / "pgbouncer.ini"
    settings.write_text("\n".join([*_settings(urlsplit(url), folder, port), *extra]))
    _give_away(folder)
    process = await asyncio.create_subprocess_exec(
        program,
        settings,
        user=_UNPRIVILEGED if os.geteuid() == 0 else None,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    address = urlsplit(url)
    through = urlunsplit(address._replace(netloc=f"{address.username}@127.0.0.1:{port}"))
    try:
        await _until_it_answers(through)
        yield through
    finally:
        process.terminate()
        await process.wait()
        shutil.rmtree(folder)


def _settings(address: SplitResult, folder: Path, port: int) -> list[str]:
    password = f" password={address.password}" if address.password else ""
    users = folder / "users"
    users.write_text(f'"{address.username}" ""\n')
    return [
        "[databases]",
        f"* = host={address.hostname} port={address.port or 5432}{password}",
        "[pgbouncer]",
        "pool_mode = session",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = trust",
        f"auth_file = {users}",
        f"logfile = {folder / 'log'}",
    ]


def _give_away(folder: Path) -> None:
    if os.geteuid() == 0:
        owner = pwd.getpwnam(_UNPRIVILEGED)
        for path in (folder, *folder.iterdir()):
            os.chown(path, owner.pw_uid, owner.pw_gid)


async def _until_it_answers(url: str) -> None:
    async with asyncio.timeout(_LIMIT_SECONDS):
        while True:
            try:
                connection = await asyncpg.connect(url)
            except OSError:
                continue
            await connection.close()
            return
