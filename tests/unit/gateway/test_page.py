"""The page of a link is readable on any screen and runs no scripts."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

import pytest
from starlette.responses import HTMLResponse

from ringback.core.status import CallbackStatus
from ringback.domain.link import ALL_VERBS, Link
from ringback.gateway.page import front_page, page
from ringback.gateway.view import to_view
from tests import factories

URL = "https://ring.example/c/k1.link"
SCHEMA = '{"type":"object","required":["approved"],"properties":{"approved":{"type":"boolean"}}}'


async def seen(*, schema: str | None = None, **options: Any) -> dict[str, Any]:
    """Return the view of an open callback, while Temporal cannot be asked."""
    callback = await factories.opened(factories.request(result_schema=schema, **options))
    link = Link(callback.id, ALL_VERBS, callback.link_expires_at, "k1")
    return to_view(CallbackStatus(callback, None, is_live=False, result_schema=schema), link, URL)


def text_of(shown: HTMLResponse) -> str:
    return bytes(shown.body).decode()


async def test_title_and_metadata_are_shown() -> None:
    options: dict[str, Any] = {
        "title": "Order 7 of 30 euros",
        "metadata": {"customer": "c-9", "lines": [1, 2]},
    }

    text = text_of(page(await seen(**options)))

    assert "<h1>Order 7 of 30 euros</h1>" in text
    assert "<title>Order 7 of 30 euros: open</title>" in text
    assert "<dt>customer</dt><dd>c-9</dd>" in text
    assert "<dt>lines</dt><dd>[\n  1,\n  2\n]</dd>" in text


async def test_program_gets_title_metadata_and_schema() -> None:
    options: dict[str, Any] = {"title": "Order 7", "metadata": {"customer": "c-9"}}

    view = await seen(schema=SCHEMA, **options)

    assert (view["title"], view["metadata"]) == ("Order 7", {"customer": "c-9"})
    assert view["result_schema"] == json.loads(SCHEMA)
    assert view["examples"]["complete"].endswith(""" -d '{"approved": true}'""")


@pytest.mark.parametrize("hostile", ["<script>alert(1)</script>", "\"'><img src=x onerror=y>"])
async def test_text_from_outside_is_escaped(hostile: str) -> None:
    options: dict[str, Any] = {"title": hostile, "metadata": {hostile: hostile, "more": [hostile]}}
    schema = json.dumps({"type": "string", "description": hostile})

    text = text_of(page(await seen(schema=schema, **options)))

    assert "<script" not in text
    assert "<img" not in text


async def test_quote_in_an_example_does_not_end_the_command() -> None:
    view = await seen(schema=json.dumps({"const": "it's; rm -rf ~"}))

    assert view["examples"]["complete"].endswith(""" -d '"it'"'"'s; rm -rf ~"'""")


async def test_only_the_style_of_the_page_is_allowed_to_load() -> None:
    shown = page(await seen())

    (style,) = re.findall(r"<style>(.*?)</style>", text_of(shown), re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = shown.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "unsafe" not in policy


async def test_long_text_wraps_on_a_narrow_screen() -> None:
    text = text_of(page(await seen()))

    assert "pre, dd { white-space: pre-wrap }" in text
    assert "overflow-wrap: anywhere" in text
    assert 'content="width=device-width, initial-scale=1"' in text


async def test_time_is_readable_and_names_its_zone() -> None:
    text = text_of(page(await seen()))

    assert '<time datetime="2030-01-01T00:00:00Z">1 January 2030, 00:00 UTC</time>' in text


def test_front_page_says_what_this_is_and_where_the_api_is_described() -> None:
    text = text_of(front_page())

    assert "This is a Ringback gateway" in text
    assert '<a href="docs">' in text
