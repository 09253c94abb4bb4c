"""The page about HTTP and the OpenAPI document name the same routes and roles."""

import re
from pathlib import Path

from tests.unit.gateway.house import opened_house

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "http.md"
ROW = re.compile(r"^\| `((?:GET|POST) /\S*)` \| [^|]+ \|(?: ([a-z, ]+) \|)?$", re.MULTILINE)

DESCRIBING = {"GET /openapi.json", "GET /docs", "GET /"}


async def test_the_page_and_openapi_name_the_same_routes_for_the_same_roles() -> None:
    told: dict[str, str] = dict(ROW.findall(PAGE.read_text("utf-8")))

    async with opened_house() as house:
        document = (await house.http.get("/openapi.json")).json()

    described = {
        f"{method.upper()} {path}": ", ".join(operation.get("x-roles", []))
        for path, item in document["paths"].items()
        for method, operation in item.items()
    }
    assert {route: told[route] for route in told.keys() - DESCRIBING} == described
