"""Run the services of docker-compose.yml as processes in a network namespace of their own.

`unshare` runs this program. The names of the services resolve to this machine, and nothing else
listens here. Commands, ports, environments and health checks come from the files. Each service runs
as in a container: its root is read-only, its volumes are where the file mounts them, and it has no
capabilities.

Arguments: the folder for the volumes, the further compose file or `-`, then the arguments of the
clients.
"""

import asyncio
import fcntl
import json
import re
import socket
import struct
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from tests.polling import pause
from tests.sandbox import Container

ROOT: Final = Path(__file__).parents[2]
LIMIT_SECONDS: Final = 60
_SET_FLAGS: Final = 0x8914
_UP_AND_RUNNING: Final = 0x1 | 0x40

Service = Mapping[str, Any]


POSTGRESQL: Final = "postgres:17"

START_POSTGRESQL: Final = """
set -e
test -s "$PGDATA/PG_VERSION" || {
  echo "$POSTGRES_PASSWORD" > /tmp/password
  initdb --username="$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 --no-sync \\
    --encoding=UTF8 --locale=C
  echo "CREATE DATABASE $POSTGRES_DB" | postgres --single -c unix_socket_directories=/tmp postgres
}
exec postgres -c listen_addresses='*' -c unix_socket_directories=/tmp -c fsync=off
"""
"""What the entrypoint of PostgreSQL's image does, as far as the compose file uses it."""


def merged(ours: Any, theirs: Any) -> Any:
    """Return what Compose makes of a value in two files: mappings are merged, others replaced."""
    if not isinstance(ours, dict) or not isinstance(theirs, dict):
        return theirs
    both = {key: merged(ours[key], theirs[key]) for key in ours.keys() & theirs.keys()}
    return {**ours, **theirs, **both}


class ComposeServices:
    """The services of the compose files, as processes."""

    def __init__(self, data: Path, further: Sequence[str] = ()) -> None:
        """Use folders in `data` as the volumes."""
        self._data = data
        files = [
            yaml.safe_load((ROOT / name).read_text("utf-8"))["services"]
            for name in ("docker-compose.yml", *further)
        ]
        self._services: Mapping[str, Service] = reduce(merged, files)
        dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
        of_images = re.findall(r"^ENTRYPOINT (\[.*\])$", dockerfile, re.MULTILINE)
        self._entrypoints: dict[str, list[str]] = dict(
            zip(["ringback", "ringback-tools"], map(json.loads, of_images), strict=True)
        )
        self._entrypoints[POSTGRESQL] = ["sh", "-c", START_POSTGRESQL]
        self._of_image = dict(re.findall(r"^ENV (\w+)=(\S+)$", dockerfile, re.MULTILINE))
        self._running: dict[str, Process] = {}
        self._completed: set[str] = set()

    @property
    def names(self) -> list[str]:
        """The services that run by default."""
        return [name for name, one in self._services.items() if "profiles" not in one]

    async def start(self, name: str) -> None:
        """Start a service once the conditions of its dependencies hold."""
        if name in self._running:
            return
        service = self._services[name]
        for needed, wanted in service.get("depends_on", {}).items():
            await self.start(needed)
            if wanted["condition"] == "service_healthy":
                await self._until_healthy(needed)
            elif wanted["condition"] == "service_completed_successfully":
                assert await self._running[needed].wait() == 0, f"{needed} failed"
                self._completed.add(needed)
        command = [*self._entrypoint(service), *service.get("command", [])]
        self._running[name] = await self._run(service, command)
        sys.stdout.write(f"up {name}\n")
        sys.stdout.flush()

    async def run(self, name: str, *words: str) -> int:
        """Run a service with `words` as its command; return its exit code."""
        service = self._services[name]
        for needed in service.get("depends_on", {}):
            await self.start(needed)
        process = await self._run(service, [*self._entrypoint(service), *words])
        return await process.wait()

    async def stop(self) -> None:
        """Stop all services."""
        for process in reversed(self._running.values()):
            if process.returncode is None:
                process.terminate()
            await process.wait()

    def ended(self) -> list[str]:
        """Return the services that have ended, and should not have."""
        return [
            name
            for name, one in self._running.items()
            if one.returncode is not None and name not in self._completed
        ]

    def _entrypoint(self, service: Service) -> list[str]:
        own: list[str] | None = service.get("entrypoint")
        return self._entrypoints[service["image"]] if own is None else own

    async def _run(self, service: Service, command: list[str]) -> Process:
        container = Container(
            # In a compose file, $$ is the shell's $.
            command=[word.replace("$$", "$") for word in command],
            environment=self._environment(service),
            mounts={target: self._folder(source) for source, target in volumes_of(service)},
            folder=service.get("working_dir", "/"),
        )
        return await asyncio.create_subprocess_exec(*container.words)

    def _environment(self, service: Service) -> Mapping[str, str]:
        if service["image"] != POSTGRESQL:
            return {**self._of_image, **service["environment"]}
        binaries = max(Path("/usr/lib/postgresql").glob("*/bin"))
        (_, data), *_ = volumes_of(service)
        return {"PATH": f"{binaries}:/usr/bin:/bin", "PGDATA": data, **service["environment"]}

    def _folder(self, volume: str) -> Path:
        if volume == ".":
            return ROOT
        folder = self._data / volume
        folder.mkdir(exist_ok=True)
        return folder

    async def _until_healthy(self, name: str) -> None:
        kind, *command = self._services[name]["healthcheck"]["test"]
        assert kind == "CMD", "a health check is a command"
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                assert name not in self.ended(), f"{name} has ended"
                check = await self._run(self._services[name], command)
                if await check.wait() == 0:
                    return
                await pause()


def volumes_of(service: Service) -> list[tuple[str, str]]:
    """Return the name and the mount point of each volume of a service, and of /tmp."""
    named = [tuple(text.split(":")) for text in service.get("volumes", [])]
    is_read_only = service.get("read_only", False)
    assert not is_read_only or service.get("tmpfs") == ["/tmp"], "it needs a place for files"  # noqa: S108 - the container's
    return [*((source, target) for source, target in named), ("tmp", "/tmp")]  # noqa: S108 - the container's


def make_network(hosts: Path, names: list[str]) -> None:
    """Bring the loopback device up, and resolve each of `names` to an address of its own there.

    A service that listens on 127.0.0.1 only cannot be reached by its name, as in Docker.
    """
    with socket.socket() as one:
        fcntl.ioctl(one, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP_AND_RUNNING))
    lines = [f"127.0.0.{number} {name}\n" for number, name in enumerate(["localhost", *names], 1)]
    hosts.write_text("".join(lines), "utf-8")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)  # noqa: S603, S607 - fixed words


async def main(data: Path, further: str, words: list[str]) -> None:
    """Run the services and then the client; print the result as JSON."""
    services = ComposeServices(data, [] if further == "-" else [further])
    make_network(data / "hosts", services.names)
    try:
        for name in services.names:
            await services.start(name)
        code = await services.run("client", *words)
        of_example = await services.run("tools", "python3", "-m", "client", *words)
        async with httpx2.AsyncClient() as http:
            ui = await http.get("http://localhost:8080", follow_redirects=True)
        seen = {
            "client": code,
            "example": of_example,
            "ui": ui.is_success,
            "ended": services.ended(),
        }
        sys.stdout.write(f"seen {json.dumps(seen)}\n")
        sys.stdout.flush()
    finally:
        await services.stop()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:]))
