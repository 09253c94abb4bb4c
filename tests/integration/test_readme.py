"""The README's example does what the README says."""

import ast
import asyncio
import importlib
import re
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import get_type_hints

import httpx2
import pytest
from temporalio.client import Client
from temporalio.worker import Worker

import ringback
from tests.integration.env import gateway, plugin_for, settings_in

README = Path(__file__).parents[2] / "README.md"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The whole worker of the README, as a module."""
    (code,) = re.findall(r"```python\n(import asyncio.*?)```", README.read_text(), re.DOTALL)
    (tmp_path / "readme_example.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("readme_example")


def test_first_example_is_part_of_the_whole_worker() -> None:
    first, _, whole = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)

    assert first in whole


def test_example_of_a_decision_has_options_that_exist() -> None:
    _, example, _ = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    tree = ast.parse(example)

    named = {one.arg for one in ast.walk(tree) if isinstance(one, ast.keyword) and one.arg}
    (rules,) = (one for one in ast.walk(tree) if isinstance(one, ast.Dict) if len(one.keys) > 1)
    named |= {str(key.value) for key in rules.keys if isinstance(key, ast.Constant)}

    assert named - {"details"} <= set(get_type_hints(ringback.DecisionOptions))
    assert {"wait_for_decision", "Subject"} <= set(ringback.__all__)


@pytest.mark.server
async def test_example_completes_its_workflow(
    example: ModuleType, temporal_address: str, tmp_path: Path, unique: str
) -> None:
    printed: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    vars(example)["print"] = lambda *words: printed.put_nowait(words)
    settings = settings_in(tmp_path)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(gateway(temporal_address, settings))
        client = await Client.connect(temporal_address, plugins=[plugin_for(settings)])
        worker = Worker(
            client, task_queue=unique, workflows=[example.Order], activities=[example.charge]
        )
        await stack.enter_async_context(worker)
        handle = await client.start_workflow(
            example.Order.run,
            5,
            id=unique,
            task_queue=unique,
            execution_timeout=timedelta(seconds=30),
        )
        words, link = await printed.get()

        reply = await http.post(httpx2.URL(link).path, json={"receipt": "r-81"})

        assert words == "answer at"
        assert list(reply.json()) == ["callback", "state", "accepted_at", "duplicate", "status_url"]
        assert await handle.result() == example.Receipt("r-81")
