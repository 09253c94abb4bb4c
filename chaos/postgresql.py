"""A PostgreSQL cluster for a run, in its own folder."""

import asyncio
import os
import pwd
import shutil
import subprocess
from pathlib import Path
from typing import Final

from chaos.programs import Recipe

_USER: Final = "ringback"
_PLACES: Final = "/usr/lib/postgresql"
_UNPRIVILEGED: Final = ("postgres", "nobody")


class NoPostgresqlError(Exception):
    """PostgreSQL's server programs are not installed."""


def server_folder() -> Path:
    """Return the folder of the newest server programs.

    Raises:
        NoPostgresqlError: There is none.
    """
    found = sorted(Path(_PLACES).glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    initdb = str(found[-1]) if found else shutil.which("initdb")
    if initdb is None:
        msg = f"no PostgreSQL server: there is no initdb in {_PLACES}/*/bin, nor on the PATH"
        raise NoPostgresqlError(msg)
    return Path(initdb).parent


def url_of(port: int) -> str:
    """Return the address of the database."""
    return f"postgresql://{_USER}@127.0.0.1:{port}/postgres"


def make_cluster(folder: Path, port: int) -> Recipe:
    """Create a cluster below `folder`, and return how to run it on `port`.

    Raises:
        NoPostgresqlError: The server's programs are not on this machine.
    """
    programs, user = server_folder(), _unprivileged()
    data = folder / "postgresql"
    data.mkdir(mode=0o700)
    if user is not None:
        os.chown(data, user.pw_uid, user.pw_gid)
    plain = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", _USER, "-A", "trust", "-E", "UTF8"]
    subprocess.run(_run_by(user, initdb), check=True, cwd=data, env=plain, capture_output=True)

    async def is_ready() -> bool:
        asked = [str(programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]
        process = await asyncio.create_subprocess_exec(*asked)
        return await process.wait() == 0

    settings = ("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories=")
    options = [word for setting in settings for word in ("-c", setting)]
    postgres = [str(programs / "postgres"), "-D", str(data), *options]
    return Recipe("postgresql", _run_by(user, postgres), plain, folder, is_ready)


def _unprivileged() -> pwd.struct_passwd | None:
    """Return the user to run the server, which refuses root; `None` for the current user."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    return next(known[name] for name in _UNPRIVILEGED if name in known)


def _run_by(user: pwd.struct_passwd | None, words: list[str]) -> list[str]:
    if user is None:
        return words
    # A change of user clears the parent-death signal, so it is set again.
    who = ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    return ["setpriv", *who, "--pdeathsig", "KILL", *words]
