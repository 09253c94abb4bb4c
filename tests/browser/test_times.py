"""Times are in the reader's zone where scripts run, and in UTC where they do not."""

from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, expect

from ringback.domain.policy import Policy
from tests.browser.test_pages import asked, sign_in, url_of
from tests.unit.gateway.house import House

pytestmark = pytest.mark.processes

KOLKATA: Any = {"timezone_id": "Asia/Kolkata"}
NEW_YORK: Any = {"timezone_id": "America/New_York"}
WITHOUT_SCRIPTS: Any = {**KOLKATA, "java_script_enabled": False}


@pytest.mark.parametrize(
    ("reader", "deadline"),
    [
        (KOLKATA, "2 January 2030, 04:40 India Standard Time"),
        (NEW_YORK, "1 January 2030, 18:10 Eastern Standard Time"),
        (WITHOUT_SCRIPTS, "1 January 2030, 23:10 UTC"),
    ],
    ids=["Kolkata", "New York", "no scripts"],
)
async def test_times_are_in_the_zone_of_the_reader(
    house: House, chromium: Browser, reader: dict[str, Any], deadline: str
) -> None:
    callback = await asked(house, deadline=timedelta(hours=23, minutes=10))
    zone = deadline.split(" ", 4)[4]
    page = await chromium.new_page(**reader)

    await page.goto(url_of(house, callback))

    await expect(page.locator("p.deadline")).to_contain_text(f"Until {deadline} (in 23 h)")
    first = page.locator(".history time").first
    short = {"India Standard Time": "05:30 GMT+5:30", "UTC": "00:00 UTC"}.get(zone, "19:00 GMT-5")
    await expect(first).to_contain_text(f", {short}")


async def test_distance_follows_the_clock_of_the_gateway(house: House, chromium: Browser) -> None:
    """The reader's clock is years behind, and the page stays open for three hours."""
    callback = await asked(house, deadline=timedelta(hours=23, minutes=10))
    page = await chromium.new_page()
    await page.clock.install(time="2020-05-05T00:00:00Z")
    await page.goto(url_of(house, callback))
    away = page.locator("p.deadline time").last
    await expect(away).to_have_text("in 23 h")

    await page.clock.fast_forward(timedelta(hours=3) // timedelta(milliseconds=1))

    await expect(away).to_have_text("in 20 h")
    await page.clock.fast_forward(timedelta(days=3) // timedelta(milliseconds=1))
    await expect(away).to_have_text("2 days ago")


async def test_inbox_shows_the_zone_of_the_reader(house: House, chromium: Browser) -> None:
    policy = Policy(assignees=("group:finance",))
    await asked(house, deadline=timedelta(hours=23, minutes=10), policy=policy)
    page = await (await chromium.new_context(**KOLKATA)).new_page()
    await sign_in(house, page, "ada@example.org", "finance")

    await page.goto(f"{house.edges.public_url}/inbox?scope=groups")

    await expect(page.locator("#list")).to_contain_text("2 January 2030, 04:40 GMT+5:30 (in 23 h)")
