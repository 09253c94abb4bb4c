"""Run the services of docker-compose.yml as processes in a network namespace of their own.

`unshare` runs this program. The names of the services resolve to this machine, and nothing else
listens here. Commands, ports, environments and health checks come from the file. Only the volumes
are folders other than /data and /src.

Arguments: the folder for the volume, then the arguments of the clients.
"""

import asyncio
import fcntl
import json
import os
import re
import socket
import struct
import subprocess
import sys
from asyncio.subprocess import Process
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx2
import yaml

from tests.polling import pause

ROOT: Final = Path(__file__).parents[2]
LIMIT_SECONDS: Final = 60
_SET_FLAGS: Final = 0x8914
_UP_AND_RUNNING: Final = 0x1 | 0x40

Service = Mapping[str, Any]


class ComposeServices:
    """The services of docker-compose.yml, as processes."""

    def __init__(self, data: Path) -> None:
        """Use `data` as the volume."""
        self._data = str(data)
        self._services: Mapping[str, Service] = yaml.safe_load(
            (ROOT / "docker-compose.yml").read_text("utf-8")
        )["services"]
        dockerfile = (ROOT / "Dockerfile").read_text("utf-8")
        of_images = re.findall(r"^ENTRYPOINT (\[.*\])$", dockerfile, re.MULTILINE)
        self._entrypoints: dict[str, list[str]] = dict(
            zip(["ringback", "ringback-tools"], map(json.loads, of_images), strict=True)
        )
        self._of_image = dict(re.findall(r"^ENV (\w+)=(\S+)$", dockerfile, re.MULTILINE))
        self._running: dict[str, Process] = {}

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
        command = [*self._entrypoint(service), *service["command"]]
        self._running[name] = await self._run(service, command)

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
        """Return the services that have ended."""
        return [name for name, one in self._running.items() if one.returncode is not None]

    def _entrypoint(self, service: Service) -> list[str]:
        own: list[str] | None = service.get("entrypoint")
        return self._entrypoints[service["image"]] if own is None else own

    async def _run(self, service: Service, command: list[str]) -> Process:
        program, *words = [word.replace("/data", self._data) for word in command]
        environment = {**self._of_image, **service["environment"]}
        binaries = Path(sys.executable).parent
        return await asyncio.create_subprocess_exec(
            program,
            *words,
            cwd=service.get("working_dir", self._data).replace("/src", str(ROOT)),
            env={
                "PATH": f"{binaries}:{os.environ['PATH']}",
                "HOME": self._data,
                **{name: value.replace("/data", self._data) for name, value in environment.items()},
            },
        )

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


def make_network(hosts: Path, names: list[str]) -> None:
    """Bring the loopback device up, and resolve each of `names` to an address of its own there.

    A service that listens on 127.0.0.1 only cannot be reached by its name, as in Docker.
    """
    with socket.socket() as one:
        fcntl.ioctl(one, _SET_FLAGS, struct.pack("16sH14x", b"lo", _UP_AND_RUNNING))
    lines = [f"127.0.0.{number} {name}\n" for number, name in enumerate(["localhost", *names], 1)]
    hosts.write_text("".join(lines), "utf-8")
    subprocess.run(["mount", "--bind", hosts, "/etc/hosts"], check=True)  # noqa: S603, S607 - fixed words


async def main(data: Path, words: list[str]) -> None:
    """Run the services and then the client; print the result as JSON."""
    services = ComposeServices(data)
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
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
