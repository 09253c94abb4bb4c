"""The inbox in a real browser, with and without scripts."""

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from ringback.core.inbox_feed import POLL_EVERY
from ringback.domain.callback import Callback, State
from ringback.domain.policy import Policy
from tests import factories
from tests.browser.test_pages import looks, sign_in
from tests.polling import pause
from tests.unit.gateway.house import House

pytestmark = pytest.mark.processes

ADA = "ada@example.org"


async def ask(house: House, title: str, **options: Any) -> Callback:
    """Ask the finance group."""
    asking = {"title": title, "policy": Policy(assignees=("group:finance",))}
    return await house.asked(**asking | options)


async def open_inbox(house: House, page: Page) -> None:
    """Sign Ada in, and open the questions of her groups."""
    await sign_in(house, page, ADA, "finance")
    await page.goto(f"{house.edges.public_url}/inbox?scope=groups")


async def poll_until(house: House, condition: Any) -> None:
    """Let the gateway look at the store until `condition` is true."""
    for _ in range(500):
        if await condition():
            return
        house.clock.advance(POLL_EVERY)
        await pause()
    raise AssertionError


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_changed_question_among_three_is_refused_alone(
    house: House, chromium: Browser, *, scripts: bool
) -> None:
    asked = [await ask(house, f"Order {number}") for number in range(3)]
    page = await chromium.new_page(java_script_enabled=scripts)
    await open_inbox(house, page)
    for box in await page.get_by_role("checkbox").all():
        await box.check()
    await page.get_by_label("Approve", exact=True).check()
    await page.get_by_label("Reason").fill("fine")

    details = {"details": {"euros": 5}}
    await house.post(f"/v1/callbacks/{asked[1].id}/details", json=details)
    await page.get_by_role("button", name="Confirm for the ticked questions").click()

    await expect(page.get_by_text("2 of 3 stored.")).to_be_visible()
    await expect(page.get_by_text("The question has changed since you saw it")).to_be_visible()
    states = [(await house.found(one.id)).state for one in asked]
    assert states.count(State.OPEN) == 1


async def test_question_that_arrives_in_an_open_empty_list_can_be_decided(
    house: House, chromium: Browser
) -> None:
    page = await chromium.new_page()
    await open_inbox(house, page)
    button = page.get_by_role("button", name="Confirm for the ticked questions")
    await expect(button).to_be_hidden()
    house.clock.advance(POLL_EVERY / 10)

    await ask(house, "Order 1")

    await poll_until(house, button.is_visible)
    await expect(page.get_by_label("Tick: Order 1")).to_be_visible()


async def test_question_answered_elsewhere_disappears_and_ticks_stay(
    house: House, chromium: Browser
) -> None:
    errors: list[str] = []
    gone, kept = await ask(house, "Order 1"), await ask(house, "Order 2")
    page = await chromium.new_page()
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    await open_inbox(house, page)
    await page.get_by_label("Tick: Order 2").check()
    await page.get_by_label("Reason").fill("half a sente")
    house.clock.advance(POLL_EVERY / 10)

    await house.store.expire([factories.expiry(gone)])

    async def is_gone() -> bool:
        return await page.get_by_role("link", name="Order 1", exact=True).count() == 0

    await poll_until(house, is_gone)
    await expect(page.get_by_label("Tick: Order 2")).to_be_checked()
    await expect(page.get_by_label("Reason")).to_have_value("half a sente")
    await expect(page.locator("#count-groups")).to_have_text("1")
    house.clock.advance(POLL_EVERY / 10)
    await ask(house, "Order 3")

    async def is_there() -> bool:
        return await page.get_by_role("link", name="Order 3", exact=True).count() == 1

    await poll_until(house, is_there)
    await expect(page.get_by_label("Tick: Order 2")).to_be_checked()
    await expect(page.get_by_label("Tick: Order 3")).not_to_be_checked()
    assert errors == []
    assert (await house.found(kept.id)).state is State.OPEN


async def test_question_is_claimed_and_released_by_keyboard(
    house: House, chromium: Browser
) -> None:
    question = await ask(house, "Order 1")
    page = await chromium.new_page()
    await open_inbox(house, page)

    await page.get_by_role("button", name="Claim: Order 1").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text(f"Claimed by {ADA}.")).to_be_visible()
    claimed = await house.found(question.id)
    await page.get_by_role("button", name="Release: Order 1").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("button", name="Claim: Order 1")).to_be_visible()

    assert claimed.claimant == ADA
    assert (await house.found(question.id)).claimant is None


async def test_enter_on_load_and_the_first_button_decide_nothing(
    house: House, chromium: Browser
) -> None:
    question = await ask(house, "Order 1")
    page = await chromium.new_page()
    await open_inbox(house, page)
    before = await house.store.audit_trail(question.id)

    await page.keyboard.press("Enter")
    await page.get_by_role("button").first.click()
    await page.wait_for_load_state()

    assert await house.store.audit_trail(question.id) == before


@looks
async def test_axe_finds_nothing_in_the_inbox(
    house: House, chromium: Browser, axe: str, look: Any
) -> None:
    await ask(house, "Order 1")
    await ask(house, "Order 2", policy=Policy(assignees=("group:finance",), approvals=2))
    claimed = await ask(house, "Order 3 of a customer with a very long name" * 3)
    page = await chromium.new_page(**look)
    await open_inbox(house, page)
    await page.get_by_role("button", name="Claim: Order 3").click()

    found = await page.evaluate(f"{axe}; axe.run()")
    assert [one["id"] for one in found["violations"]] == []
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width <= look["viewport"]["width"]
    await page.goto(f"{house.edges.public_url}/inbox/changes/reassign?id={claimed.id}")
    found = await page.evaluate(f"{axe}; axe.run()")
    assert [one["id"] for one in found["violations"]] == []
