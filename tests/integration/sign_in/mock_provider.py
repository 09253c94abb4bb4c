"""`oidc-provider-mock`, a real identity provider, as a program of its own."""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2

from ringback.app.web import free_ports
from tests.polling import pause
from tests.services import missing

START_SECONDS = 20


@asynccontextmanager
async def running_provider() -> AsyncIterator[str]:
    """Run the provider for the block; yield its issuer."""
    (port,) = free_ports(1)
    issuer = f"http://127.0.0.1:{port}"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-W", "ignore", "-m", "oidc_provider_mock", "--port", str(port), "--require-nonce"),
        stdout=DEVNULL,
        stderr=DEVNULL,
    )
    try:
        await wait_until_ready(process, issuer)
        yield issuer
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def wait_until_ready(process: Process, issuer: str) -> None:
    """Wait until a provider that was started as `process` answers."""
    async with asyncio.timeout(START_SECONDS), httpx2.AsyncClient() as http:
        while not await _is_ready(http, issuer):
            if process.returncode is not None:
                missing("the identity provider", "run `make setup`; it ended at its start")
            await pause()


async def _is_ready(http: httpx2.AsyncClient, issuer: str) -> bool:
    try:
        return (await http.get(f"{issuer}/.well-known/openid-configuration")).is_success
    except httpx2.TransportError:
        return False


async def add_user(http: httpx2.AsyncClient, issuer: str, sub: str, **claims: Any) -> None:
    """Add a user to the provider."""
    reply = await http.put(f"{issuer}/users/{sub}", json=claims)
    assert reply.is_success, reply.text


async def press(http: httpx2.AsyncClient, url: str, **form: str) -> str:
    """Fill in the form of the provider at `url`; return where it sends the browser."""
    page = await http.get(url)
    assert page.status_code == 200, page.text
    reply = await http.post(url, data=form)
    assert reply.status_code == 302, reply.text
    return str(reply.headers["location"])
