"""The page about HTTP and the OpenAPI document name the same routes and roles."""

import re
from pathlib import Path

from tests.unit.gateway.house import opened_house

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http.md"
ROW = re.compile(
    r"^\| `((?:GET|POST|PUT|DELETE) /\S*)` \| [^|]+ \|(?: ([a-z, ]+) \|)?$", re.MULTILINE
)

NOT_DESCRIBED = re.compile(
    r"GET /(openapi.json|docs)?|(GET|POST) /(sign-|inbox|sources|slack/|in/).*"
    r"|POST /c/{link}/(decide|withdraw)"
)
"""The pages, and what chat platforms and providers send."""


async def test_page_and_openapi_have_the_same_routes_and_roles() -> None:
    told: dict[str, str] = dict(ROW.findall(PAGE.read_text("utf-8")))

    async with opened_house() as house:
        document = (await house.http.get("/openapi.json")).json()

    described = {
        f"{method.upper()} {path}": ", ".join(operation.get("x-roles", []))
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    api = {route: roles for route, roles in told.items() if not NOT_DESCRIBED.fullmatch(route)}
    assert api == described
