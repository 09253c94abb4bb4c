"""Workflows that import nothing of Ringback call its activities: the programs of the how-to."""

import asyncio
import re
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import pytest
from standardwebhooks.webhooks import Webhook
from temporalio.client import Client, WorkflowHandle

from ringback.app.credentials import load_webhook_secrets
from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from ringback.domain.callback import State
from ringback.notify.webhook import from_secret
from tests.acceptance.programs import ROOT, Program, program, ringback
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.npm_packages import installed_packages
from tests.other_sdk.test_typescript_decisions import TSC
from tests.other_sdk.typescript import HERE, PACKAGES
from tests.webhook_receiver import Receiver, listening

pytestmark = [pytest.mark.server, pytest.mark.processes]

PAGE: Final = ROOT / "docs" / "howto" / "activities-by-name.md"
QUEUE: Final = "orders"


def block_of(language: str) -> str:
    """Return the one program of the page in `language`."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (block,) = found
    assert isinstance(block, str)
    return block


@asynccontextmanager
async def typescript(site: Site, folder: Path) -> AsyncIterator[Program]:
    """Compile the page's workflow with all checks, and run a worker for it."""
    packages = await asyncio.to_thread(installed_packages, PACKAGES, "the TypeScript SDK")
    (folder / "workflows.ts").write_text(block_of("typescript"))
    shutil.copy(HERE / "typescript_workflows.ts", folder / "worker.ts")
    (folder / "node_modules").symlink_to(packages)
    tsc = [str(packages / ".bin" / "tsc"), *TSC.split(), "worker.ts", "workflows.ts"]
    compiled = await asyncio.to_thread(
        subprocess.run,
        tsc,
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert compiled.returncode == 0, compiled.stdout.decode()
    words = ["node", str(folder / "worker.js"), site.temporal_address, site.namespace, QUEUE]
    async with program(words, {}) as running:
        await running.line("ready worker")
        yield running


@asynccontextmanager
async def python(site: Site, folder: Path) -> AsyncIterator[Program]:
    """Run the page's program."""
    text = block_of("python")
    assert re.search(r"(?:import|from) ringback", text) is None
    (folder / "orders.py").write_text(text)
    names = {"TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE"}
    environment = {name: site.environment[name] for name in names}
    async with program([sys.executable, str(folder / "orders.py")], environment) as running:
        await running.line("ready worker")
        yield running


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with listening() as receiver:
        yield receiver


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    """A site with a Temporal server of its own: the task queue has one name everywhere."""
    data = tmp_path / "data"
    data.mkdir()
    async with build_site(data) as built, built.temporal():
        yield built


@asynccontextmanager
async def ringback_worker(site: Site, *options: str, **environment: str) -> AsyncIterator[Program]:
    """Run `ringback worker`, which may send to this machine."""
    allowed = {"RINGBACK_ALLOW_PRIVATE_WEBHOOKS": "true", **environment}
    words = ringback("worker", "--no-demo", *options)
    async with program(words, site.environment | allowed) as running:
        await running.line("ready worker")
        yield running


async def start(
    site: Site, workflow: str, receiver: Receiver, **options: Any
) -> WorkflowHandle[Any, Any]:
    client = await Client.connect(site.temporal_address, namespace=site.namespace)
    order = {"id": "17", "euros": 250, "psp": receiver.url}
    return await client.start_workflow(
        workflow, order, id="order-17", task_queue=QUEUE, result_type=str, **options
    )


async def open_callback(site: Site, activity_type: str) -> str:
    """Return the id of the open callback of an activity, once its link was submitted."""
    await site.until(
        lambda found: found[0].activity_type == activity_type and bool(found[0].submitted_at),
        frozenset({State.OPEN}),
    )
    (callback,) = await site.callbacks(frozenset({State.OPEN}))
    return callback.id


async def operate(site: Site, path: str, body: object) -> httpx2.Response:
    key = local_key_path(site.data, Role.OPERATOR).read_text().strip()
    return await site.post(path, body, authorization=f"Bearer {key}")


@pytest.mark.timeout(120)  # the compiler, Temporal, a gateway and two workers start
@pytest.mark.parametrize("language", [typescript, python], ids=["typescript", "python"])
async def test_workflow_of_the_page_asks_waits_and_gets_its_event(
    site: Site, receiver: Receiver, tmp_path: Path, language: Any
) -> None:
    async with (
        site.gateway() as gateway,
        ringback_worker(site) as worker,
        language(site, tmp_path),
    ):
        handle = await start(site, "buy", receiver)

        asked = await open_callback(site, "ringback.ask")
        vote = {"by": "ada@example.org", "approved": True}
        voted = await operate(site, f"/v1/callbacks/{asked}/votes", vote)

        request = await receiver.next()
        (secret,) = load_webhook_secrets(site.settings)
        sent = Webhook(from_secret(secret)).verify(request.body, dict(request.headers))
        link = urlsplit(sent.pop("notify_url")).path
        wrong = await site.post(link, {"receipt_of": "r-1"})
        answered = await site.post(link, {"receipt": "r-1"})

        await open_callback(site, "ringback.event")
        shipped = await operate(site, "/v1/aliases/shipment:17/complete", "shipped")
        result = await handle.result()

    assert result == "r-1, shipped"
    assert sent == {"amount": 250, "reference": "17"}
    assert request.headers["idempotency-key"].startswith("cb_")
    assert [one.status_code for one in (voted, wrong, answered, shipped)] == [202, 422, 202, 202]
    assert len(receiver.got) == 1
    history = (await handle.fetch_history()).to_json()
    secret_part = link.removeprefix("/c/")
    for text in (history, gateway.output, worker.output):
        assert secret_part not in text
