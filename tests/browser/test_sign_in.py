"""People sign in in a real browser; scanners and other sites change nothing."""

from typing import Any

import pytest
from playwright.async_api import Browser, Page, expect
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from ringback.app.web import bound_socket, served, url_of
from tests.unit.gateway.house import House

pytestmark = pytest.mark.processes

EVIL = """<!doctype html><form method="post" action="{action}">
<input name="csrf" value="{csrf}"></form><script>document.forms[0].submit()</script>"""


async def new_url(house: House) -> str:
    reply = await house.post("/v1/sign-in-urls", json={"user": "ada@example.org"})
    return str(reply.json()["url"])


async def users_of(house: House) -> list[str]:
    reply = await house.get("/v1/sessions")
    return [session["user"] for session in reply.json()["sessions"]]


async def press_sign_in(page: Page) -> None:
    await page.get_by_role("button", name="Sign in as ada@example.org").click()


async def test_scanner_uses_nothing_up(house: House, chromium: Browser) -> None:
    """It runs scripts, presses Enter when the page has loaded, and clicks the first button."""
    url = await new_url(house)
    scanner = await chromium.new_page()

    await scanner.goto(url)
    await scanner.keyboard.press("Enter")
    await scanner.keyboard.press("Space")
    await scanner.get_by_role("button").first.click()
    await expect(scanner.get_by_role("heading", name="Ringback")).to_be_visible()

    assert await users_of(house) == []
    person = await (await chromium.new_context()).new_page()
    await person.goto(url)
    await press_sign_in(person)
    await person.goto(f"{house.edges.public_url}/sign-in/done")
    await expect(person.get_by_text("You are ada@example.org.")).to_be_visible()
    assert await users_of(house) == ["ada@example.org"]


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
async def test_person_signs_in_and_out(house: House, chromium: Browser, *, scripts: bool) -> None:
    page = await (await chromium.new_context(java_script_enabled=scripts)).new_page()

    await page.goto(await new_url(house))
    await press_sign_in(page)
    await page.goto(f"{house.edges.public_url}/sign-in/done")
    (cookie,) = await page.context.cookies()
    await page.get_by_role("button", name="Sign out").click()

    assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("ringback", True, "Lax")
    await expect(page).to_have_url(f"{house.edges.public_url}/")
    assert await page.context.cookies() == []
    assert await users_of(house) == []


async def test_form_of_another_origin_is_refused(house: House, chromium: Browser) -> None:
    """Another port of the same host is the same site, so the browser sends the cookie."""
    page = await chromium.new_page()
    await page.goto(await new_url(house))
    await press_sign_in(page)
    await page.goto(f"{house.edges.public_url}/sign-in/done")
    csrf = await page.locator("input[name=csrf]").get_attribute("value")

    async def attack(_: Request) -> HTMLResponse:
        action = f"{house.edges.public_url}/sign-out"
        return HTMLResponse(EVIL.format(action=action, csrf=csrf))

    with bound_socket("127.0.0.1", 0) as listening:
        async with served(Starlette(routes=[Route("/", attack)]), listening):
            async with page.expect_response("**/sign-out") as refused:
                await page.goto(url_of(listening))
            reply = await refused.value

            assert "ringback=" in (await reply.request.all_headers()).get("cookie", "")
            assert reply.status == 403
    assert await users_of(house) == ["ada@example.org"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1000])
async def test_pages_have_no_axe_violation(
    house: House, chromium: Browser, axe: str, *, scheme: Any, width: int
) -> None:
    context = await chromium.new_context(
        color_scheme=scheme, viewport={"width": width, "height": 740}
    )
    page = await context.new_page()
    base, url = house.edges.public_url, await new_url(house)
    found = []

    for path in (f"{base}/sign-in", url, None, f"{base}/sign-in/done"):
        if path is None:
            await press_sign_in(page)
            continue
        await page.goto(path)
        await page.evaluate(axe)
        result = await page.evaluate("axe.run()")
        found += [(path, one["id"]) for one in result["violations"]]

    assert found == []
