"""The page of sources in a real browser."""

from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from ringback.core.hooks import NO_HOOKS
from ringback.gateway.source_door import SourceLedger
from tests.browser.test_pages import check_accessible, looks
from tests.unit.gateway.house import House
from tests.unit.gateway.sources import run_of, signed, sources_of

pytestmark = pytest.mark.processes


@looks
async def test_page_of_sources_is_accessible_and_opens_by_keyboard(
    house: House, chromium: Browser, axe: str, look: Any, tmp_path: Path
) -> None:
    door = house.app.state.gateway.source_door
    text = f'[sources.{"long-name" * 20}]\nprovider = "stripe"\nsecrets = ["env:SECRET"]\n'
    door.sources = {**sources_of(tmp_path), **sources_of(tmp_path, text)}
    door.ledger = SourceLedger(door.sources, clock=house.clock, hooks=NO_HOOKS)
    door.ledger.refuse("ci", "header_missing", "the header X is missing", size=1)
    await house.http.post("/in/ci", content=run_of(), headers=signed(run_of()))
    page = await (await chromium.new_context(**look)).new_page()
    reply = await house.post("/v1/sign-in-urls", json={"user": "ada", "admin": True})
    await page.goto(reply.json()["url"])
    await page.get_by_role("button", name="Sign in as ada").click()

    await page.goto(f"{house.edges.public_url}/sources")
    await check_accessible(page, axe)
    await page.get_by_text("Refused requests of ci").focus()
    await page.keyboard.press("Enter")

    await expect(page.get_by_text("the header X is missing")).to_be_visible()
    await check_accessible(page, axe)
