"""Events of a provider on a real server: before their alias, and across a kill of the gateway."""

import hmac
import json
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import httpx2
import pytest

from tests.acceptance.command_line import Command
from tests.acceptance.marks import on_both_stores
from tests.acceptance.programs import Program
from tests.acceptance.site import Site
from tests.acceptance.test_aliases import put_alias

pytestmark = [pytest.mark.server, pytest.mark.processes]

SECRET = "it's a secret to everybody"  # noqa: S105 - a test's
TOML = """
[sources.ci]
provider = "github"
secrets = ["env:CI_SECRET"]

[[sources.ci.rules]]
when = "action == 'completed'"
key = "join(':', ['github', 'run', to_string(workflow_run.id)])"
action = "complete"
result = "workflow_run.conclusion"
"""


@pytest.fixture
def sources_file(tmp_path: Path) -> str:
    return write_sources(tmp_path)


def write_sources(folder: Path) -> str:
    path = folder / "sources.toml"
    path.write_text(TOML, "utf-8")
    return str(path)


def gateway(site: Site, sources_file: str) -> AbstractAsyncContextManager[Program]:
    return site.gateway(RINGBACK_SOURCES_FILE=sources_file, CI_SECRET=SECRET)


async def post_event(url: str, conclusion: str = "success") -> httpx2.Response:
    """Send an event as GitHub does, which waits for at most 10 seconds."""
    run = {"id": 42, "conclusion": conclusion}
    body = json.dumps({"action": "completed", "workflow_run": run}).encode()
    digest = hmac.new(SECRET.encode(), body, "sha256").hexdigest()
    headers = {"x-hub-signature-256": f"sha256={digest}", "x-github-delivery": "d-1"}
    async with httpx2.AsyncClient(base_url=url, timeout=10) as http:
        return await http.post("/in/ci", content=body, headers=headers)


async def send(site: Site, conclusion: str = "success") -> dict[str, object]:
    reply = await post_event(site.gateway_url, conclusion)
    assert reply.status_code == 200, reply.text
    answered: dict[str, object] = reply.json()
    return answered


@on_both_stores
async def test_event_before_its_alias_survives_a_kill_and_answers_once(
    site: Site, sources_file: str
) -> None:
    ringback = Command(site)
    async with site.temporal():
        async with gateway(site, sources_file) as running:
            first, again = await send(site), await send(site)
            waiting = await ringback("events", "--json")
            await running.kill()
        async with gateway(site, sources_file), site.worker():
            after = await send(site)
            await site.start_workflow("first")
            await site.service.next_link()
            (callback,) = (await ringback("list", "--json")).json["callbacks"]
            await put_alias(site, callback["id"], "github:run:42")

            result = await (await site.handle_of(callback["workflow_id"])).result()

            late = await send(site, "failure")
            events = (await ringback("events", "--json")).json["events"]

    assert (first, again, after) == ({"duplicate": False}, {"duplicate": True}, {"duplicate": True})
    (event,) = waiting.json["events"]
    assert (event["state"], event["alias"]) == ("waiting", "github:run:42")
    assert result == "success"
    assert late == {"duplicate": False}
    assert events[-1]["state"] == "matched"
    assert events[-1]["callback_id"] == callback["id"]
    assert events[0]["state"] in {"waiting", "ignored", "unmatched"}


async def test_secret_that_a_provider_offers_verifies_its_events_once_it_is_configured(
    shared_site: Site, tmp_path: Path
) -> None:
    site, path, offered = shared_site, tmp_path / "sources.toml", "secret_tMrlL1qK5vuQAh1"
    path.write_text('[sources.ci]\nprovider = "notion"\nsecrets = ["env:CI_SECRET"]\n', "utf-8")
    event = b'{"id": "1", "type": "page.created"}'
    signature = hmac.new(offered.encode(), event, "sha256").hexdigest()
    headers = {"x-notion-signature": f"sha256={signature}"}
    async with httpx2.AsyncClient(base_url=site.gateway_url, timeout=10) as http:
        async with gateway(site, str(path)) as running:
            handshake = await http.post("/in/ci", json={"verification_token": offered})
            before = await http.post("/in/ci", content=event, headers=headers)
            line = await running.line("handshake answered")
        file = site.data / "offered-secrets" / "ci.txt"
        secret = file.read_text().split()[1]
        async with site.gateway(RINGBACK_SOURCES_FILE=str(path), CI_SECRET=secret):
            after = await http.post("/in/ci", content=event, headers=headers)

    assert [one.status_code for one in (handshake, before, after)] == [200, 401, 200]
    assert str(file) in line
    assert offered not in running.output
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "RINGBACK_SOURCES_FILE: {path} does not exist"),
        (
            "[sources.ci]\nprovider = 'githup'\nsecrets = ['env:CI_SECRET']",
            "did you mean 'github'?",
        ),
        (TOML.replace("action ==", "action = ="), "{path}: sources.ci.rules[0].when: "),
    ],
)
async def test_gateway_does_not_start_with_sources_that_are_wrong(
    shared_site: Site, tmp_path: Path, text: str | None, said: str
) -> None:
    path = tmp_path / "sources.toml"
    if text is not None:
        path.write_text(text, "utf-8")

    ran = await Command(shared_site).alone(
        *("serve", "--port", str(shared_site.gateway_port)),
        RINGBACK_SOURCES_FILE=str(path),
        CI_SECRET=SECRET,
    )

    assert ran.code == 2
    assert said.format(path=path) in ran.err
    assert "Traceback" not in ran.err
