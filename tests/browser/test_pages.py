"""People decide in a real browser, with and without scripts, by mouse and by keyboard."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect

from ringback.agents.arguments import to_form
from ringback.domain.callback import Callback, State
from ringback.domain.link import ALL_VERBS, Link
from ringback.domain.outcome import Completed
from ringback.domain.policy import Policy, RequireReason
from tests.unit.gateway.house import House

pytestmark = pytest.mark.processes

FORM = json.dumps({
    "type": "object",
    "required": ["cost_centre", "kind", "lines"],
    "properties": {
        "cost_centre": {"type": "string", "title": "Cost centre", "pattern": "^K[0-9]+$"},
        "kind": {"enum": ["one-off", "monthly"], "title": "Kind"},
        "pay_on": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
        "lines": {
            "type": "array",
            "title": "Lines",
            "items": {
                "type": "object",
                "required": ["sku"],
                "properties": {"sku": {"type": "string", "title": "Article"}},
            },
        },
    },
})
PHONE: Any = {"viewport": {"width": 360, "height": 740}, "color_scheme": "light"}
DARK: Any = {"viewport": {"width": 1000, "height": 900}, "color_scheme": "dark"}
LIGHT: Any = {"viewport": {"width": 1000, "height": 900}, "color_scheme": "light"}
looks = pytest.mark.parametrize("look", [LIGHT, DARK, PHONE], ids=["light", "dark", "phone"])


def url_of(house: House, callback: Callback) -> str:
    """Return the URL of a link to the page."""
    link = Link(callback.id, ALL_VERBS, callback.link_expires_at, "k1")
    return house.keyring.url(house.edges.public_url, link)


async def asked(house: House, **options: Any) -> Callback:
    """Ask people to approve an order."""
    asking: dict[str, Any] = {
        "title": "Order 17: 40 office chairs",
        "description": "Two offers. **This one** is cheaper.",
        "details": {"euros": 12900, "supplier": {"name": "Sitzgut GmbH", "offers": [1, {"a": 2}]}},
        "deadline": timedelta(hours=23),
        "policy": Policy(require_reason=RequireReason.REJECTION),
    }
    return await house.asked(**asking | options)


async def sign_in(house: House, page: Page, user: str, *groups: str) -> None:
    """Sign a person in with a one-time URL."""
    reply = await house.post("/v1/sign-in-urls", json={"user": user, "groups": groups})
    await page.goto(reply.json()["url"])
    await page.get_by_role("button", name=f"Sign in as {user}").click()


async def decision_of(house: House, callback: Callback) -> dict[str, Any]:
    """Return the decision that was accepted."""
    accepted = (await house.found(callback.id)).accepted
    assert accepted is not None
    assert isinstance(accepted.outcome, Completed)
    decision: dict[str, Any] = json.loads(accepted.outcome.result or b"null")
    return decision


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_person_corrects_the_form_and_approves(
    house: House, chromium: Browser, *, scripts: bool
) -> None:
    callback = await asked(house, result_schema=FORM)
    page = await (await chromium.new_context(java_script_enabled=scripts)).new_page()
    await page.goto(url_of(house, callback))

    await page.get_by_label("Approve").check()
    await page.get_by_label("Cost centre").fill("wrong")
    await page.get_by_role("button", name="Add to Lines").click()
    await page.get_by_label("Article").fill("A1")
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert")).to_contain_text("There is a problem")
    await expect(page.get_by_label("Cost centre")).to_have_value("wrong")
    await page.get_by_label("Cost centre").fill("K7")
    await page.get_by_label("monthly").check()
    await page.get_by_role("button", name="Send").click()

    await expect(page.locator(".state")).to_have_text(re.compile("Accepted|Approved"))
    assert (await decision_of(house, callback))["form"] == {
        "cost_centre": "K7",
        "kind": "monthly",
        "pay_on": None,
        "lines": [{"sku": "A1"}],
    }


CALL = {
    "when": "2026-12-24T10:00:00",
    "back": "2026-12-24T10:00:30.250300+01:00",
    "at": "08:30:00",
    "text": "two\nlines",
    "bags": 1,
    "passenger": {"name": "Ada"},
}


@pytest.mark.parametrize(
    ("typed", "edit"),
    [
        ({}, None),
        ({"bags": "2"}, {"bags": 2}),
        ({"when": "2026-12-24T11:00"}, {"when": "2026-12-24T11:00:00"}),
        ({"back": "2026-12-24T11:00"}, {"back": "2026-12-24T11:00:00Z"}),
    ],
    ids=["as shown", "a number", "a time without an offset", "a time with an offset"],
)
async def test_browser_changes_no_argument_of_a_tool_that_a_person_left(
    house: House, chromium: Browser, typed: dict[str, str], edit: dict[str, Any] | None
) -> None:
    card = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    properties = {
        "when": {"type": "string", "format": "date-time"},
        "back": {"type": "string", "format": "date-time"},
        "at": {"type": "string", "format": "time"},
        "text": {"type": "string"},
        "bags": {"type": "integer"},
        "seats": {"type": "integer", "default": 1},
        "passenger": {
            "type": "object",
            "required": ["name", "card"],
            "properties": {"name": {"type": "string"}, "card": card},
        },
    }
    form = to_form({"type": "object", "properties": properties}, CALL)
    callback = await asked(house, result_schema=json.dumps(form), policy=Policy(require_form=False))
    page = await chromium.new_page()
    await page.goto(url_of(house, callback))

    await page.get_by_label("Approve").check()
    for name, text in typed.items():
        await page.locator(f'[name="form/{name}"]').fill(text)
    await page.get_by_role("button", name="Send").click()

    await expect(page.locator(".state")).to_have_text(re.compile("Accepted|Approved"))
    decision = await decision_of(house, callback)
    assert decision.get("form") == (None if edit is None else {**CALL, **edit})


async def test_keyboard_alone_rejects_with_a_reason(house: House, chromium: Browser) -> None:
    callback = await asked(house)
    page = await chromium.new_page()
    await page.goto(url_of(house, callback))

    await page.keyboard.press("Tab")
    while await page.evaluate("document.activeElement.name") != "choice":
        await page.keyboard.press("Tab")
    await page.keyboard.press("Space")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Tab")
    await page.keyboard.type("too expensive")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")

    await expect(page.locator(".state")).to_have_text(re.compile("Accepted|Rejected"))
    decision = await decision_of(house, callback)
    assert (decision["approved"], decision["reason"]) == (False, "too expensive")


async def test_scanner_that_runs_scripts_and_presses_things_decides_nothing(
    house: House, chromium: Browser
) -> None:
    callback = await asked(house, policy=Policy())
    page = await chromium.new_page()
    await page.goto(url_of(house, callback))

    await page.keyboard.press("Enter")
    for number in range(await page.locator("button").count()):
        await page.goto(url_of(house, callback))
        async with page.expect_navigation():
            await page.locator("button").nth(number).dispatch_event("click")
    await page.goto(url_of(house, callback))
    await page.get_by_label("Reason").focus()
    await page.keyboard.press("Enter")

    assert (await house.found(callback.id)).state is State.OPEN
    assert await house.store.votes([callback.id]) == {}


async def test_two_signed_in_people_decide_in_the_inbox(house: House, chromium: Browser) -> None:
    policy = Policy(assignees=("group:finance",), approvals=2)
    callback = await asked(house, policy=policy)
    for user in ("ada@example.org", "bob@example.org"):
        page = await (await chromium.new_context()).new_page()
        await sign_in(house, page, user, "finance")
        await page.goto(f"{house.edges.public_url}/inbox/{callback.id}")
        await page.get_by_label("Approve").check()
        async with page.expect_navigation():
            await page.get_by_role("button", name="Send").click()

    votes = (await decision_of(house, callback))["votes"]
    assert [(vote["by"], vote["proof"]) for vote in votes] == [
        ("ada@example.org", "signed in"),
        ("bob@example.org", "signed in"),
    ]


@looks
async def test_pages_are_accessible(
    house: House, chromium: Browser, axe: str, look: dict[str, Any]
) -> None:
    open_one = await asked(house, result_schema=FORM)
    named = await asked(house, policy=Policy(assignees=("user:ada@example.org",), approvals=1))
    done = await asked(house, policy=Policy())
    vote = {"by": "ada@example.org", "approved": True}
    await house.post(f"/v1/callbacks/{done.id}/votes", json=vote)
    page = await (await chromium.new_context(**look)).new_page()
    addresses = [url_of(house, one) for one in (open_one, named, done)]
    addresses += [
        f"{house.edges.public_url}{path}" for path in ("/", "/docs", "/sign-in", "/c/nonsense")
    ]

    for address in addresses:
        await page.goto(address)
        await check_accessible(page, axe)
    await page.goto(url_of(house, open_one))
    await page.get_by_role("button", name="Send").click()
    await expect(page.get_by_role("alert").first).to_be_visible()
    await check_accessible(page, axe)


async def check_accessible(page: Page, axe: str) -> None:
    """Check that axe-core finds nothing, and that the page does not scroll sideways."""
    await page.evaluate(axe)
    violations = await page.evaluate("axe.run().then(found => found.violations)")
    assert [(one["id"], [node["html"] for node in one["nodes"]]) for one in violations] == []
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert await page.evaluate(width) <= 0, page.url
