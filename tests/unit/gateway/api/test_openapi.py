"""The OpenAPI document is correct and complete."""

import re
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator
from starlette.routing import Route

from tests.fake_edges import BASE
from tests.unit.gateway.house import House


def routes_of(house: House) -> set[tuple[str, str]]:
    """Return the method and the path of every route."""
    routes = [route for route in house.app.routes if isinstance(route, Route)]
    return {(method, route.path_format) for route in routes for method in route.methods or ()}


def example_of(content: dict[str, Any], schemas: dict[str, Any]) -> Any:
    """Return the example of a media type or, without one, that of its schema."""
    schema = content["schema"]
    schema = schemas[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema
    return content.get("example", next(iter(schema.get("examples", [])), None))


@pytest.fixture
async def document(house: House) -> dict[str, Any]:
    found: dict[str, Any] = (await house.http.get("/openapi.json")).json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method, path, told)
        for path, item in document["paths"].items()
        for method, told in item.items()
    ]


async def test_every_route_is_described_and_nothing_else(
    house: House, document: dict[str, Any]
) -> None:
    described = {(method, path) for method, path, _ in operations(document)}
    for_people = {("get", "/openapi.json"), ("get", "/docs"), ("get", "/")}
    for_chat = {("post", "/slack/interactions")}
    for_providers = {("get", "/in/{source}"), ("post", "/in/{source}")}
    served = {
        (method.lower(), path)
        for method, path in routes_of(house)
        if method != "HEAD" and not path.startswith(("/sign-", "/inbox", "/sources", "/static"))
    }
    forms = {("post", "/c/{link}/decide"), ("post", "/c/{link}/withdraw")}

    assert described == served - for_people - for_chat - for_providers - forms


async def test_servers_are_the_public_url(document: dict[str, Any]) -> None:
    assert document["servers"] == [{"url": BASE}]


async def test_allow_names_every_method_of_a_path(house: House) -> None:
    methods: dict[str, set[str]] = {}
    for method, path in routes_of(house):
        methods.setdefault(path, set()).add(method)
    for path in methods:
        if path.startswith("/v1/aliases/{alias}/"):
            # It may be an alias itself: an alias may contain a slash.
            methods[path] |= methods["/v1/aliases/{alias}"]

    for path, allowed in methods.items():
        reply = await house.http.request("PATCH", path.replace("{", "").replace("}", ""))
        assert reply.status_code == 405, path
        assert reply.headers["allow"] == ", ".join(sorted(allowed)), path
    assert methods["/c/{link}"] == {"GET", "HEAD", "POST"}
    assert methods["/v1/callbacks"] == {"GET", "POST"}


async def test_every_example_is_what_its_schema_says(document: dict[str, Any]) -> None:
    checked = 0
    for method, path, told in operations(document):
        described = [told.get("requestBody", {}), *told["responses"].values()]
        for content in (one for each in described for one in each.get("content", {}).values()):
            example = example_of(content, document["components"]["schemas"])
            if example is not None:
                schema = {**content["schema"], "components": document["components"]}
                errors = list(Draft202012Validator(schema).iter_errors(example))
                assert errors == [], (method, path)
                checked += 1
    assert checked > 100


async def test_every_reply_has_an_example_and_every_error_is_a_problem(
    document: dict[str, Any],
) -> None:
    for method, path, told in operations(document):
        assert told["summary"], (method, path)
        for status, reply in told["responses"].items():
            contents = reply.get("content", {})
            examples = [
                example_of(one, document["components"]["schemas"]) for one in contents.values()
            ]
            assert status in {"204", "304"} or any(one is not None for one in examples), path
            if int(status) >= 400 and path != "/readyz":
                assert list(contents) == ["application/problem+json"], (method, path, status)


async def test_every_reference_has_a_schema(document: dict[str, Any]) -> None:
    referred = set(re.findall(r'"#/components/schemas/(\w+)"', str(document).replace("'", '"')))

    assert referred <= set(document["components"]["schemas"])


async def test_every_operation_has_a_unique_name(document: dict[str, Any]) -> None:
    names = [told["operationId"] for _, _, told in operations(document)]

    assert len(names) == len(set(names))
    assert all(re.fullmatch("[a-z]+(_[a-z]+)*", name) for name in names), names


async def test_only_routes_of_the_api_need_a_key(
    document: dict[str, Any],
) -> None:
    for _, path, told in operations(document):
        assert ("security" in told) is path.startswith("/v1"), path


async def test_docs_page_shows_every_operation_and_loads_nothing(
    house: House, document: dict[str, Any]
) -> None:
    page = await house.http.get("/docs")

    shown = set(re.findall(r'<h2 id="(\w+)"><code>', page.text))
    loaded = re.findall(r"""(?:src|href|srcset|action|data)\s*=\s*["']?([^"'\s>]*)""", page.text)
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert shown == {told["operationId"] for _, _, told in operations(document)}
    assert (loaded, "<script" in page.text, "@import" in page.text) == (
        ["openapi.json"],
        False,
        False,
    )
