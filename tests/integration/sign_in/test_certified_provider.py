"""People sign in at `oidc-provider`, which enforces what the standard says."""

import asyncio
import re
import shutil
from asyncio.subprocess import DEVNULL
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final
from urllib.parse import urljoin

import httpx2
import pytest

from ringback.app.web import free_ports
from tests.integration.sign_in.mock_provider import wait_until_ready
from tests.integration.sign_in.organization import (
    CLIENT_ID,
    CLIENT_SECRET,
    REDIRECT_URI,
    opened_organization,
)
from tests.npm_packages import installed_packages
from tests.unit.gateway.identity.browser import sessions_of

HERE: Final = Path(__file__).parent / "node_provider"
MOST_PAGES: Final = 10
pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
async def issuer() -> AsyncIterator[str]:
    packages = await asyncio.to_thread(
        installed_packages, HERE / "package.json", "the identity provider oidc-provider"
    )
    node = shutil.which("node")
    assert node is not None, "asked before"
    (port,) = free_ports(1)
    words = (str(packages), str(port), CLIENT_ID, CLIENT_SECRET, REDIRECT_URI)
    process = await asyncio.create_subprocess_exec(
        node, str(HERE / "provider.cjs"), *words, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        await wait_until_ready(process, issuer := f"http://127.0.0.1:{port}")
        yield issuer
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def sign_in_there(http: httpx2.AsyncClient, url: str) -> str:
    """Fill in the pages of the provider; return where it sends the browser at the end."""
    form: dict[str, str] | None = None
    for _ in range(MOST_PAGES):
        reply = await (http.get(url) if form is None else http.post(url, data=form))
        form = None
        if reply.is_redirect:
            url = urljoin(url, reply.headers["location"])
            if url.startswith(REDIRECT_URI):
                return url
            continue
        action = re.search(r'<form[^>]* action="([^"]+)"', reply.text)
        prompt = re.search(r'name="prompt" value="(\w+)"', reply.text)
        assert action is not None, reply.text
        assert prompt is not None, reply.text
        url = urljoin(url, action[1])
        form = {"prompt": prompt[1], "login": "ada", "password": "any"}
    pytest.fail("the provider shows page after page")


async def test_person_signs_in_once_per_code(issuer: str) -> None:
    async with opened_organization(issuer) as organization:
        back = await sign_in_there(organization.outside, await organization.begin("/inbox/cb_1"))
        cookie = organization.browser.http.cookies["__Host-ringback-sign-in"]
        reply = await organization.finish(back)

        assert (reply.status_code, reply.headers["location"]) == (303, "/inbox/cb_1")
        (session,) = await sessions_of(organization.house)
        assert (session["user"], session["name"]) == ("ada@example.org", "Ada Lovelace")
        assert session["groups"] == ["finance"]

        organization.browser.http.cookies.clear()
        organization.browser.http.cookies.set(
            "__Host-ringback-sign-in", cookie, domain="ring.example"
        )
        replayed = await organization.finish(back)

        assert replayed.status_code == 403
        assert "refused this sign-in (invalid_grant)" in replayed.text


async def test_code_of_another_sign_in_is_refused(issuer: str) -> None:
    """PKCE: a stolen code is of no use in a sign-in that began elsewhere."""
    async with (
        opened_organization(issuer) as victim,
        opened_organization(issuer) as attacker,
    ):
        stolen = await sign_in_there(victim.outside, await victim.begin())
        own = await sign_in_there(attacker.outside, await attacker.begin())
        code = re.search(r"code=([^&]+)", stolen)
        assert code is not None

        reply = await attacker.finish(re.sub(r"code=[^&]+", code[0], own))

        assert reply.status_code == 403
        assert await sessions_of(attacker.house) == []
