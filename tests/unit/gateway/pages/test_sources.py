"""The page of sources, for people who see everything."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.contract.events import delivery, event
from tests.loops import idle
from tests.unit.gateway.house import House, opened_house
from tests.unit.gateway.identity.browser import Browser, new_url
from tests.unit.gateway.sources import SECRET, run_of, signed, sources_of, tables


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with opened_house(sources=sources_of(tmp_path)) as house:
        yield house


async def sign_in(house: House, browser: Browser, *, admin: bool = True) -> None:
    reply = await browser.sign_in(await new_url(house, admin=admin))
    assert reply.status_code == 303


async def test_admin_sees_sources_events_and_refusals(house: House, browser: Browser) -> None:
    await sign_in(house, browser)
    await house.http.post("/in/ci", content=run_of(), headers=signed(run_of()))
    for _ in range(2):
        await house.http.post("/in/ci", content=run_of())
    await idle()
    before = await tables(house.database)

    page = await browser.get("/sources")

    assert page.status_code == 200
    assert "Webhooks of github at <bdi>https://ring.example/in/ci</bdi>." in page.text
    assert "1 accepted, 2 refused." in page.text
    assert "<strong>header missing</strong>, 2 times." in page.text
    assert "for <bdi>github:run:42</bdi>" in page.text
    assert SECRET not in page.text
    assert await tables(house.database) == before


async def test_inbox_leads_admins_to_the_page(house: House, browser: Browser) -> None:
    await sign_in(house, browser)

    assert 'href="/sources"' in (await browser.get("/inbox")).text


async def test_others_see_nothing(house: House, browser: Browser) -> None:
    stranger = await browser.get("/sources")
    await sign_in(house, browser, admin=False)
    page, inbox = await browser.get("/sources"), await browser.get("/inbox")

    assert (stranger.status_code, page.status_code) == (303, 403)
    assert "/in/ci" not in page.text
    assert "/sources" not in inbox.text


async def test_text_of_an_event_is_escaped(house: House, browser: Browser) -> None:
    evil = "<script>alert(1)</script>"
    await house.store.store_deliveries([
        delivery(event(evil), replace(event(None), reason=evil), key="evil")
    ])
    await sign_in(house, browser)

    page = await browser.get("/sources")

    assert page.text.count("<bdi>&lt;script&gt;alert(1)&lt;/script&gt;</bdi>") == 2
    assert "<script>alert" not in page.text
