"""The page of a link is readable on any screen and runs no scripts."""

import json
import re
from base64 import b64encode
from hashlib import sha256
from typing import Any

from starlette.responses import HTMLResponse

from ringback.core.status import CallbackStatus
from ringback.domain.link import ALL_VERBS, Link
from ringback.gateway.page import front_page
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


async def test_program_gets_title_metadata_and_schema() -> None:
    options: dict[str, Any] = {"title": "Order 7", "metadata": {"customer": "c-9"}}

    view = await seen(schema=SCHEMA, **options)

    assert (view["title"], view["metadata"]) == ("Order 7", {"customer": "c-9"})
    assert view["result_schema"] == json.loads(SCHEMA)
    assert view["examples"]["complete"].endswith(""" -d '{"approved": true}'""")


async def test_quote_in_an_example_does_not_end_the_command() -> None:
    view = await seen(schema=json.dumps({"const": "it's; rm -rf ~"}))

    assert view["examples"]["complete"].endswith(""" -d '"it'"'"'s; rm -rf ~"'""")


def test_only_the_style_of_the_page_is_allowed_to_load() -> None:
    shown = front_page()

    (style,) = re.findall(r"<style>(.*?)</style>", text_of(shown), re.DOTALL)
    digest = b64encode(sha256(style.encode()).digest()).decode()
    policy = shown.headers["content-security-policy"]
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")
    assert "unsafe" not in policy


def test_long_text_wraps_on_a_narrow_screen() -> None:
    text = text_of(front_page())

    assert "pre, dd { white-space: pre-wrap }" in text
    assert "overflow-wrap: anywhere" in text
    assert 'content="width=device-width, initial-scale=1"' in text


def test_front_page_says_what_this_is_and_where_the_api_is_described() -> None:
    text = text_of(front_page())

    assert "This is a Ringback gateway" in text
    assert '<a href="docs">' in text
