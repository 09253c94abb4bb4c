"""A gateway on fakes at a real address, and Chromium."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from ringback.app.web import bound_socket, served, url_of
from ringback.gateway.identity.ways import Cookies, SignInWays
from tests.npm_packages import installed_packages
from tests.services import missing
from tests.unit.gateway.house import House, opened_house

_QUIET = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@pytest.fixture
async def house() -> AsyncIterator[House]:
    listening = bound_socket("127.0.0.1", 0)
    url = url_of(listening)
    ways = SignInWays(cookies=Cookies(url))
    async with (
        opened_house(public_url=url, sign_in_ways=ways) as house,
        served(house.app, listening),
    ):
        yield house


@pytest.fixture(scope="session")
async def running_chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        missing("Chromium", "apt-get install chromium")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(_QUIET))
        yield browser
        await browser.close()


@pytest.fixture
async def chromium(running_chromium: Browser) -> AsyncIterator[Browser]:
    """A browser that remembers nothing of other tests."""
    yield running_chromium
    for context in running_chromium.contexts:
        await context.close()


@pytest.fixture
async def axe() -> str:
    """The script of axe-core."""
    package = Path(__file__).parent / "package.json"
    modules = await asyncio.to_thread(installed_packages, package, "axe-core")
    return (modules / "axe-core" / "axe.min.js").read_text("utf-8")
