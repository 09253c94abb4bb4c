"""The page's patterns complete activities of the real server."""

import asyncio
import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

from ringback import AsyncCompletionClient
from tests.integration.completion.verbs import token
from tests.integration.facts.env import Env

pytestmark = pytest.mark.server

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "from-typescript.md"


@pytest.fixture
def howto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The Python of the page, as a module."""
    blocks = re.findall(r"```python\n(.*?)```", HOWTO.read_text("utf-8"), re.DOTALL)
    (tmp_path / "howto_from_typescript.py").write_text("\n\n".join(blocks))
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("howto_from_typescript")


async def test_each_pattern_completes_its_activity(
    howto: ModuleType, env: Env, completion: AsyncCompletionClient
) -> None:
    asked = await asyncio.gather(*(env.ask() for _ in range(4)))
    tokens = [token(attempt) for _, attempt in asked]

    await howto.ExternalProcessor(completion).process_activity(tokens[0], "a")
    await howto.transcode(completion, tokens[1])
    await howto.process_all(completion, {tokens[2]: "b", tokens[3]: "c"})

    assert [await question.result() for question, _ in asked] == [
        {"processed": "a"},
        {"frames": 100},
        {"processed": "b"},
        {"processed": "c"},
    ]
