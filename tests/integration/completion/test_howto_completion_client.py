"""The howto's code does what the howto says."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from ringback import AsyncCompletionClient
from tests.integration.completion.verbs import ids
from tests.integration.facts.env import Env

pytestmark = pytest.mark.server

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "completion-client.md"


@pytest.fixture
def howto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The Python of the howto, as a module."""
    blocks = re.findall(r"```python\n(.*?)```", HOWTO.read_text("utf-8"), re.DOTALL)
    (tmp_path / "howto_completion_client.py").write_text("\n\n".join(blocks))
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("howto_completion_client")


async def test_its_programs_complete_what_they_are_for(
    howto: ModuleType,
    env: Env,
    completion: AsyncCompletionClient,
    temporal_address: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", temporal_address)
    (approved, one), (done, two) = await env.ask(), await env.ask()

    await howto.approve(approved.handle.id, one.info.workflow_run_id)
    await howto.complete_at_last(completion, ids(two))

    assert await approved.result() == {"approved": True}
    assert await done.result() == "done"
