"""People decide for a worker in TypeScript, which runs the code of the page for other languages."""

import asyncio
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from temporalio.client import Client, WorkflowHandle

from ringback.client.target import local_key_path
from ringback.domain.api_key import Role
from tests.acceptance.command_line import Command
from tests.acceptance.programs import ROOT, program
from tests.acceptance.site import Site
from tests.acceptance.site import site as build_site
from tests.npm_packages import installed_packages
from tests.other_sdk.typescript import HERE, PACKAGES
from tests.tutorial.test_a_page_for_people import asked, signed_in

pytestmark = [pytest.mark.server, pytest.mark.processes]

PAGE: Final = ROOT / "docs" / "howto" / "other-languages.md"
ASSUMED: Final = """
async function askThePaymentService(order: object, how: object): Promise<void> {
  throw new Error('no order is charged here');
}
"""
"""What the page leaves to its reader."""
TSC: Final = "--strict --skipLibCheck --module commonjs --target es2022 --types node"
ORDER: Final = {"id": "17", "euros": 250}
FORM: Final = {"cost_centre": "K1", "monthly": True}
ADA, BOB = "ada@example.org", "bob@example.org"


def write_worker(folder: Path) -> Path:
    """Compile the TypeScript of the page and the worker, with all checks; return the program."""
    packages = installed_packages(PACKAGES, "the TypeScript SDK")
    blocks = re.findall(r"```typescript\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    (workflows,) = [block for block in blocks if "@temporalio/workflow" in block]
    blocks.remove(workflows)
    (folder / "workflows.ts").write_text(workflows)
    (folder / "activities.ts").write_text("\n".join([*blocks, ASSUMED]))
    shutil.copy(HERE / "typescript_worker.ts", folder / "worker.ts")
    (folder / "node_modules").symlink_to(packages)
    tsc = [str(packages / ".bin" / "tsc"), *TSC.split(), "worker.ts", "workflows.ts"]
    compiled = subprocess.run(  # noqa: S603 - the words stand here
        tsc, cwd=folder, capture_output=True, check=False, timeout=60
    )
    assert compiled.returncode == 0, compiled.stdout.decode()
    return folder / "worker.js"


@pytest.fixture
async def site(tmp_path: Path, temporal_address: str) -> AsyncIterator[Site]:
    """A site with a gateway."""
    async with build_site(tmp_path, temporal=temporal_address) as built, built.gateway():
        yield built


@pytest.fixture
async def workflow(
    site: Site, client: Client, tmp_path: Path, unique: str
) -> AsyncIterator[WorkflowHandle[Any, Any]]:
    """A workflow of the TypeScript worker, which asks people."""
    folder = tmp_path / "typescript"
    folder.mkdir()
    worker = await asyncio.to_thread(write_worker, folder)
    words = ["node", str(worker), site.temporal_address, client.namespace, unique]
    environment = {"RINGBACK": site.gateway_url, "API_KEY": site.worker_key}
    async with program(words, environment) as running:
        await running.line("ready worker")
        yield await client.start_workflow("buy", ORDER, id=unique, task_queue=unique)


async def vote(site: Site, callback: str, form: object) -> httpx2.Response:
    """Approve for Bob with an API key."""
    key = local_key_path(site.data, Role.OPERATOR).read_text().strip()
    body = {"by": BOB, "approved": True, "form": form}
    return await site.post(f"/v1/callbacks/{callback}/votes", body, authorization=f"Bearer {key}")


async def test_two_approvals_with_a_form_reach_the_workflow(
    site: Site, workflow: WorkflowHandle[Any, Any]
) -> None:
    command = Command(site)
    async with asyncio.timeout(60), signed_in(site, ADA) as ada:
        callback = await asked(site)
        page = await ada.open(f"/inbox/{callback}")
        wrong = await vote(site, callback, {"cost_centre": 7, "monthly": True})
        empty = await ada.decide(callback, choice="approve")
        by_page = await ada.decide(
            callback, choice="approve", reason="we need it", **_fields("K2", monthly="0")
        )
        form = '{"cost_centre": "K1", "monthly": true}'
        by_command = await command("approve", callback, "--by", BOB, "--form", form)
        decision = await workflow.result()

    assert "Order 17" in page.text
    assert "250" in page.text
    assert (wrong.status_code, wrong.json()["errors"][0]["pointer"]) == (422, "/form/cost_centre")
    assert (empty.status_code, by_page.status_code) == (422, 303)
    assert by_command.code == 0, by_command.err
    assert {name: decision[name] for name in ("approved", "by", "form", "is_default")} == {
        "approved": True,
        "by": BOB,
        "form": FORM,
        "is_default": False,
    }
    assert [(one["by"], one["reason"], one["proof"]) for one in decision["votes"]] == [
        (ADA, "we need it", "signed in"),
        (BOB, None, "API key"),
    ]


async def test_rejection_is_a_result_of_the_workflow(
    site: Site, workflow: WorkflowHandle[Any, Any]
) -> None:
    async with asyncio.timeout(60), signed_in(site, ADA) as ada:
        callback = await asked(site)
        await ada.decide(callback, choice="reject", reason="too expensive")
        decision = await workflow.result()

    (vote_of_ada,) = decision.pop("votes")
    assert decision == {
        "approved": False,
        "reason": "too expensive",
        "by": ADA,
        "form": None,
        "is_default": False,
    }
    assert (vote_of_ada["by"], vote_of_ada["approved"]) == (ADA, False)


def _fields(cost_centre: str, *, monthly: str) -> dict[str, str]:
    return {"form/cost_centre": cost_centre, "form/monthly": monthly}
