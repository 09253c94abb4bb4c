"""Restate, as its npm package comes: a server, and a service whose invocations wait."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2

from benchmarks.programs import MissingToolError, Program, python, running
from benchmarks.wrk import DriveError, drive
from ringback.app.web import free_ports

_PROGRAM: Final = "node_modules/@restatedev/restate-server-*/bin/restate-server"
_ASK: Final = "/Asker/ask/send"
_ASKERS: Final = 32
_PATIENCE_SECONDS: Final = 300
_LOOK_EVERY_SECONDS: Final = 0.05
_ROOT: Final = Path(__file__).parents[2]


def restate_program(rivals: Path) -> Path:
    """Return where the server is.

    Raises:
        MissingToolError: It is not below `rivals`.
    """
    found = sorted(rivals.glob(_PROGRAM))
    if not found:
        msg = f"Restate is not in {rivals}; install it with: make rivals"
        raise MissingToolError(msg)
    return found[0]


class Restate:
    """A running server with its service."""

    def __init__(self, server: Program, service: Program, *, url: str, ids: Path) -> None:
        """Use the ingress at `url`; the service writes the names of awakeables to `ids`."""
        self.server = server
        self.service = service
        self.url = url
        self._ids = ids

    async def suspend(self, count: int) -> list[str]:
        """Begin `count` invocations; return the path that resolves each, when all of them wait.

        Raises:
            DriveError: The server did not take all of them.
        """
        asked = await drive(
            self.url, [_ASK] * count, body=b"null", connections=_ASKERS, seconds=_PATIENCE_SECONDS
        )
        if asked.good < count:
            msg = f"Restate took {asked.good} of {count} invocations"
            raise DriveError(msg)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while len(names := self._names()) < count:  # noqa: ASYNC110 - a file sends no event
                await asyncio.sleep(_LOOK_EVERY_SECONDS)
        return [f"/restate/awakeables/{name}/resolve" for name in names]

    def _names(self) -> list[str]:
        # A retried invocation writes the same name again.
        return list(dict.fromkeys(self._ids.read_text().split()))


@asynccontextmanager
async def restate(rivals: Path, folder: Path) -> AsyncIterator[Restate]:
    """Run server and service for the block, with durable commits, as it comes."""
    ingress, admin, node = free_ports(3)
    environment = {
        "RESTATE_BIND_IP": "127.0.0.1",
        "RESTATE_BIND_PORT": str(node),
        "RESTATE_INGRESS__BIND_PORT": str(ingress),
        "RESTATE_ADMIN__BIND_PORT": str(admin),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "1",
    }
    words = [str(restate_program(rivals)), "--base-dir", str(folder / "restate"), "--no-logo"]
    words += ["--node-name", "bench", "--log-filter", "warn"]
    ids = folder / "awakeables"
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(
            running(python("benchmarks.rivals.restate_service", str(ids)), cwd=_ROOT)
        )
        where = await service.ready()
        server = await stack.enter_async_context(
            running(words, cwd=folder, environment=environment)
        )
        await server.until(lambda: _is_up(f"http://127.0.0.1:{admin}/health"))
        await _register(f"http://127.0.0.1:{admin}", where)
        yield Restate(server, service, url=f"http://127.0.0.1:{ingress}", ids=ids)


async def _is_up(url: str) -> bool:
    try:
        async with httpx2.AsyncClient(trust_env=False) as http:
            return (await http.get(url)).is_success
    except httpx2.TransportError:
        return False


async def _register(admin: str, where: str) -> None:
    told = json.dumps({"uri": where, "use_http_11": True})
    headers = {"content-type": "application/json"}
    async with httpx2.AsyncClient(timeout=60, trust_env=False) as http:
        reply = await http.post(f"{admin}/deployments", content=told, headers=headers)
        reply.raise_for_status()
