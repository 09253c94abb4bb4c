"""Two tabs, hostile text and a rejection that is corrected, in a real browser."""

import pytest
from playwright.async_api import Browser, expect

from ringback.domain.callback import State
from ringback.domain.policy import Policy
from ringback.gateway.static_files import TIMES_SCRIPT
from tests.browser.test_pages import asked, decision_of, url_of
from tests.unit.gateway.house import House

pytestmark = pytest.mark.processes

HOSTILE = "<script>document.title = 'owned'</script><img src=x onerror=alert(1)> \u202eevil"


async def test_second_tab_with_another_answer_shows_what_was_decided(
    house: House, chromium: Browser
) -> None:
    callback = await asked(house, policy=Policy())
    context = await chromium.new_context()
    first, second = await context.new_page(), await context.new_page()
    for tab in (first, second):
        await tab.goto(url_of(house, callback))
    await first.get_by_label("Approve", exact=True).check()
    await first.get_by_role("button", name="Send").click()
    await expect(first.get_by_role("button", name="Send")).to_have_count(0)

    await second.get_by_label("Reject", exact=True).check()
    async with second.expect_response(lambda reply: reply.request.method == "POST") as replied:
        await second.get_by_role("button", name="Send").click()

    assert (await replied.value).status == 409
    await expect(second.get_by_role("alert")).to_be_visible()
    assert (await decision_of(house, callback))["approved"] is True


async def test_rejection_without_reason_comes_back_and_then_counts(
    house: House, chromium: Browser
) -> None:
    callback = await asked(house)
    page = await chromium.new_page()
    await page.goto(url_of(house, callback))
    await page.get_by_label("Reject", exact=True).check()
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_contain_text("a reason is required")
    await expect(page.get_by_label("Reject", exact=True)).to_be_checked()
    assert (await house.found(callback.id)).state is State.OPEN

    await page.get_by_label("Reason").fill("ordered twice")
    await page.get_by_role("button", name="Send").click()

    await expect(page.get_by_role("button", name="Send")).to_have_count(0)
    decision = await decision_of(house, callback)
    assert (decision["approved"], decision["reason"]) == (False, "ordered twice")


async def test_hostile_text_runs_nothing_and_loads_nothing(house: House, chromium: Browser) -> None:
    said: list[str] = []
    callback = await asked(
        house, title=HOSTILE, description=HOSTILE, details={HOSTILE: [HOSTILE]}, policy=Policy()
    )
    page = await chromium.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.on("dialog", lambda dialog: said.append(dialog.message))
    page.on("request", lambda request: said.append(request.url))

    await page.goto(url_of(house, callback))

    own_script = f"{house.edges.public_url}{TIMES_SCRIPT}"
    assert await page.title() != "owned"
    assert await page.locator("main img, main script").count() == 0
    assert said == [page.url, own_script]
