"""Clients that generators make from `/openapi.json` work, and have every operation."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ringback.app.web import bound_socket, served, url_of
from ringback.domain.api_key import Role
from tests import factories
from tests.services import missing
from tests.unit.gateway.house import House, key_of, opened_house

PYTHON = "openapi-python-client==0.29.1"
TYPESCRIPT = ["--package=openapi-typescript@7.13.0", "--package=typescript@5.9.3"]

USE_PYTHON = """
import sys
from client import AuthenticatedClient, Client
from client.api.by_key import complete_callback, show_callback
from client.api.by_link import complete_link

url, key, by_id, link = sys.argv[1:]
operator = AuthenticatedClient(base_url=url, token=key)
print(complete_callback.sync(by_id, client=operator, body={"ok": True}).state)
print(complete_link.sync(link, client=Client(base_url=url), body={"ok": True}).state)
print(show_callback.sync("cb_unknown", client=operator).type_)
"""

USE_TYPESCRIPT = """
import type { operations, paths } from "./api";
type Receipt = operations["complete_callback"]["responses"][202]["content"]["application/json"];
export const state = (receipt: Receipt): string => receipt.state;
export const open: paths["/v1/callbacks"]["post"]["requestBody"]["content"]["application/json"] = {
  activity: {
    namespace: "default", workflow_id: "w", run_id: "r", activity_id: "1", attempt: 1,
    task_token: "dG9rZW4=",
  },
};
"""


@dataclass
class Generated:
    """A gateway that is served, and a folder with its OpenAPI document."""

    house: House
    url: str
    folder: Path
    operations: set[str]

    async def run(self, *command: str) -> str:
        """Run a command in the folder; skip the test if it has no network."""
        process = await asyncio.create_subprocess_exec(
            *command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        printed, _ = await process.communicate()
        text = printed.decode()
        if process.returncode and "fetch" in text.lower():
            missing("a package registry", f"run once with a network: {' '.join(command)}")
        assert process.returncode == 0, text
        return text


pytestmark = pytest.mark.thorough


@pytest.fixture
async def generated(tmp_path: Path) -> AsyncIterator[Generated]:
    listening = bound_socket("127.0.0.1", 0)
    async with opened_house() as house, served(house.app, listening):
        document: dict[str, Any] = (await house.http.get("/openapi.json")).json()
        (tmp_path / "openapi.json").write_text(json.dumps(document))
        items = document["paths"].values()
        names = {operation["operationId"] for item in items for operation in item.values()}
        yield Generated(house, url_of(listening), tmp_path, names)


async def test_generated_python_client_answers_callbacks(generated: Generated) -> None:
    # The project installs it; its folder need not be on the path.
    beside_python = str(Path(sys.executable).parent)
    uv = shutil.which("uv", path=beside_python) or missing("uv", "run: make setup")
    by_id, by_link = await generated.house.asked(), await generated.house.asked()
    link = generated.house.keyring.sign(factories.link(to=by_link.id))
    (generated.folder / "use.py").write_text(USE_PYTHON)
    environment = [uv, "run", "--no-project", "--with", PYTHON]

    await generated.run(
        *[*environment, "openapi-python-client", "generate", "--path", "openapi.json"],
        *["--output-path", "client", "--meta", "none", "--fail-on-warning"],
    )
    arguments = [generated.url, key_of(Role.OPERATOR), by_id.id, link]
    printed = await generated.run(*environment, "python", "use.py", *arguments)

    assert printed.split()[-3:] == ["accepted", "accepted", "urn:ringback:unknown-callback"]
    made = {path.stem for path in (generated.folder / "client" / "api").rglob("*.py")}
    assert made - {"__init__"} == generated.operations


async def test_generated_typescript_types_compile(generated: Generated) -> None:
    npx = shutil.which("npx") or missing("openapi-typescript", "install node 20 and npm")
    (generated.folder / "use.ts").write_text(USE_TYPESCRIPT)

    # Without the flag, request fields that have a default would be required.
    await generated.run(
        *[npx, "--yes", *TYPESCRIPT, "openapi-typescript", "openapi.json", "-o", "api.ts"],
        "--default-non-nullable=false",
    )
    await generated.run(npx, "--yes", *TYPESCRIPT, "tsc", "--noEmit", "--strict", "use.ts")

    types = (generated.folder / "api.ts").read_text()
    assert all(f"    {name}: {{" in types for name in generated.operations)
