"""A PostgreSQL server that a test can stop, start and freeze."""

import asyncio
import os
import pwd
import shutil
import signal
import socket
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from tests.contract.postgresql_server import execute
from tests.services import missing

PASSWORD: Final = "geheim/%"  # noqa: S105 - of a server that lives for one test
_UNPRIVILEGED: Final = "postgres"


class Cluster:
    """A server with one user, `test`, whose password is `PASSWORD`."""

    def __init__(self, programs: Path, folder: Path, port: int, data: str = "data") -> None:
        self._programs = programs
        self._data = folder / data
        self._folder = folder
        self._port = port

    @property
    def place(self) -> str:
        """Its host and port."""
        return f"127.0.0.1:{self._port}"

    def url(self, password: str = "geheim%2F%25") -> str:  # noqa: S107 - see above
        return f"postgresql://test:{password}@{self.place}/postgres"

    async def make(self) -> None:
        secret = self._folder / "password"
        secret.write_text(PASSWORD)
        _give_away(secret)
        await self._run("initdb", "--username=test", "--auth=scram-sha-256", f"--pwfile={secret}")

    async def start(self) -> None:
        options = f"-p {self._port} -k {self._folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        log = str(self._folder / "log")
        await self._run("pg_ctl", "start", "--wait", "--silent", "--log", log, "--options", options)

    async def stop(self) -> None:
        await self._run("pg_ctl", "stop", "--wait", "--silent", "--mode=immediate")

    async def restart(self) -> None:
        """Restart it at once; clients are cut off."""
        await self._run("pg_ctl", "restart", "--wait", "--silent", "--mode=immediate")

    async def promote(self) -> None:
        """Make the standby the primary."""
        await self._run("pg_ctl", "promote", "--wait", "--silent")

    @asynccontextmanager
    async def standby(self) -> AsyncIterator["Cluster"]:
        """Run a standby of this server for the block; every commit waits until it is on both."""
        standby = Cluster(self._programs, self._folder, unused_port(), "standby")
        source = f"--dbname={self.url()}"
        options = ("--write-recovery-conf", "--checkpoint=fast", "--no-sync")
        await standby._run("pg_basebackup", source, *options)
        await standby.start()
        try:
            await execute(
                self.url(),
                "ALTER SYSTEM SET synchronous_standby_names = '*'",
                "SELECT pg_reload_conf()",
            )
            yield standby
        finally:
            await standby.stop()
            shutil.rmtree(standby._data)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Freeze the server for the block: it neither replies nor disconnects."""
        postmaster = self._postmaster()
        os.kill(postmaster, signal.SIGSTOP)
        # From here on it starts no others.
        others = list(_children(postmaster))
        try:
            _signal(others, signal.SIGSTOP)
            yield
        finally:
            _signal([*others, postmaster], signal.SIGCONT)

    def is_running(self) -> bool:
        return (self._data / "postmaster.pid").exists()

    def _postmaster(self) -> int:
        return int((self._data / "postmaster.pid").read_text().split()[0])

    async def _run(self, program: str, *options: str) -> None:
        process = await asyncio.create_subprocess_exec(
            self._programs / program,
            *options,
            f"--pgdata={self._data}",
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            user=_user(),
            cwd=self._folder,
        )
        assert await process.wait() == 0, f"{program} failed; see {self._folder}"


@asynccontextmanager
async def running_cluster() -> AsyncIterator[Cluster]:
    """Run a server for the block, or skip the test."""
    programs = _programs()
    folder = Path(tempfile.mkdtemp(prefix="ringback-postgresql-"))
    _give_away(folder)
    cluster = Cluster(programs, folder, unused_port())
    try:
        await cluster.make()
        await cluster.start()
        yield cluster
    finally:
        if cluster.is_running():
            await cluster.stop()
        shutil.rmtree(folder)


def _programs() -> Path:
    found = [*Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path is not None:
        found.append(Path(on_path).resolve())
    if not found:
        missing("the program initdb of PostgreSQL", "install the package postgresql")
    return found[-1].parent


def _signal(processes: Iterable[int], number: signal.Signals) -> None:
    for process in processes:
        # One that was about to end may be gone.
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _user() -> str | None:
    # PostgreSQL refuses to run as root.
    return _UNPRIVILEGED if os.geteuid() == 0 else None


def _give_away(path: Path) -> None:
    if _user() is not None:
        owner = pwd.getpwnam(_UNPRIVILEGED)
        os.chown(path, owner.pw_uid, owner.pw_gid)


def _children(parent: int) -> Iterator[int]:
    for status in Path("/proc").glob("[0-9]*/stat"):
        # A process may end before its file is read.
        with suppress(OSError):
            # The program's name is in parentheses, and may contain any character.
            fields = status.read_text().rpartition(")")[2].split()
            if int(fields[1]) == parent:
                yield int(status.parent.name)


def unused_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
