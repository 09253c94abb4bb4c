"""The nginx configuration of the how-to works behind a path prefix, with a real nginx."""

import hmac
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest
from temporalio.client import WorkflowHandle

from ringback.gateway.answer_endpoint import LONGEST_WAIT
from ringback.settings import Settings
from tests.acceptance.nginx import nginx
from tests.acceptance.programs import ROOT, free_port
from tests.acceptance.site import Site

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.thorough]

HOWTO = ROOT / "docs" / "howto" / "reverse-proxy.md"
(LOCATIONS,) = re.findall(r"```nginx\n(.*?)```", HOWTO.read_text("utf-8"), re.DOTALL)

SECRET = "it's a secret to everybody"  # noqa: S105 - a test's
SOURCE = """
[sources.square]
provider = "square"
secrets = ["env:SQUARE_SECRET"]
"""


@dataclass
class Proxied:
    """A gateway behind nginx, with an open callback.

    Attributes:
        http: A client of nginx.
        link: The path of the callback's link, as the activity sent it.
        workflow: The workflow that waits.
        access_log: The access log of nginx.
    """

    http: httpx2.AsyncClient
    link: str
    workflow: WorkflowHandle[object, object]
    access_log: Path


@pytest.fixture
async def proxied(shared_site: Site, tmp_path: Path, unique: str) -> AsyncIterator[Proxied]:
    site, port = shared_site, free_port()
    folder = tmp_path / "nginx"
    folder.mkdir()
    url = f"http://127.0.0.1:{port}"
    locations = LOCATIONS.replace("http://127.0.0.1:8000", site.gateway_url)
    async with AsyncExitStack() as stack:
        access_log = await stack.enter_async_context(nginx(folder, port, locations))
        sources = tmp_path / "ringback.toml"
        sources.write_text(SOURCE, "utf-8")
        await stack.enter_async_context(
            site.gateway(
                RINGBACK_PUBLIC_URL=f"{url}/ringback",
                RINGBACK_SOURCES_FILE=str(sources),
                SQUARE_SECRET=SECRET,
            )
        )
        await stack.enter_async_context(site.worker())
        http = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=30))
        workflow = await site.start_workflow(unique)
        yield Proxied(http, await site.service.next_link(), workflow, access_log)


async def test_answer_through_the_proxy_ends_the_activity(proxied: Proxied) -> None:
    shown = await proxied.http.get(proxied.link)
    reply = await proxied.http.post(proxied.link, json="done", headers={"prefer": "wait=20"})

    assert proxied.link.startswith("/ringback/c/")
    assert (shown.status_code, shown.json()["state"]) == (200, "open")
    assert (reply.status_code, reply.json()["state"]) == (200, "applied")
    assert reply.json()["status_url"] == f"{proxied.http.base_url}{proxied.link}"
    assert await proxied.workflow.result() == "done"


async def test_access_log_has_other_requests_but_no_link(proxied: Proxied) -> None:
    await proxied.http.get(proxied.link)
    await proxied.http.post(proxied.link, json="done")
    await proxied.http.get("/elsewhere")
    # nginx writes a line after its reply, and before the next request of the same connection.
    await proxied.http.get("/after")

    logged = proxied.access_log.read_text()

    assert "/elsewhere" in logged
    assert "/c/" not in logged


async def test_body_above_the_limit_gets_the_reply_of_the_gateway(proxied: Proxied) -> None:
    limit = Settings.model_fields["body_limit"].default

    reply = await proxied.http.post(proxied.link, json="x" * limit)

    assert (reply.status_code, reply.json()["limit"]) == (413, limit)
    assert reply.headers["content-type"] == "application/problem+json"


async def test_proxy_serves_links_alone(proxied: Proxied) -> None:
    paths = ["/ringback/v1/callbacks", "/ringback/readyz", "/v1/callbacks", "/readyz"]

    statuses = [(await proxied.http.get(path)).status_code for path in paths]

    assert statuses == [404] * len(paths)


async def test_webhook_passes_the_proxy_unchanged_with_its_signed_url(proxied: Proxied) -> None:
    path, body = "/ringback/in/square", b'{ "event_id" : "1", "note": "\xc3\xa9" }\n'
    url = str(proxied.http.base_url.join(path))
    digest = hmac.new(SECRET.encode(), url.encode() + body, "sha256").digest()
    headers = {"x-square-hmacsha256-signature": b64encode(digest).decode()}

    signed = await proxied.http.post(path, content=body, headers=headers)
    changed = await proxied.http.post(path, content=body.strip(), headers=headers)

    assert (signed.status_code, signed.json()) == (200, {"duplicate": False})
    assert changed.status_code == 401


async def test_large_webhook_gets_the_reply_of_the_gateway(proxied: Proxied) -> None:
    limit = Settings.model_fields["body_limit"].default

    reply = await proxied.http.post("/ringback/in/square", content=b"x" * (limit + 1))

    assert (reply.status_code, reply.json()["limit"]) == (413, limit)


def test_proxy_timeout_exceeds_the_longest_wait() -> None:
    (seconds,) = re.findall(r"proxy_read_timeout (\d+)s;", LOCATIONS)

    assert int(seconds) > LONGEST_WAIT.total_seconds()
