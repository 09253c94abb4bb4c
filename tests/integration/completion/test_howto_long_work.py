"""The howto's code does what the howto says."""

import asyncio
import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest
from temporalio.exceptions import ApplicationError

from ringback import ActivityRef, AsyncCompletionClient
from tests.integration.completion.verbs import ids, token
from tests.integration.facts.env import Env, Question

pytestmark = pytest.mark.server

HOWTO = Path(__file__).parents[3] / "docs" / "howto" / "long-work.md"


@pytest.fixture
def howto(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The Python of the howto, as a module."""
    blocks = re.findall(r"```python\n(.*?)```", HOWTO.read_text("utf-8"), re.DOTALL)
    (tmp_path / "howto_long_work.py").write_text("\n\n".join(blocks))
    monkeypatch.syspath_prepend(tmp_path)
    return importlib.import_module("howto_long_work")


async def asked(env: Env, count: int) -> tuple[list[Question], list[ActivityRef]]:
    both = await asyncio.gather(*(env.ask() for _ in range(count)))
    return [question for question, _ in both], [ids(attempt) for _, attempt in both]


async def test_what_works_for_one_activity_completes_it(
    howto: ModuleType, env: Env, completion: AsyncCompletionClient
) -> None:
    questions, refs = await asked(env, 2)

    await howto.transcode(completion, refs[0], "intro")
    await howto.wait_for_the_printer(completion, refs[1])

    assert [await question.result() for question in questions] == [
        "intro in 99 frames",
        "printed",
    ]


async def test_what_works_for_many_completes_them(
    howto: ModuleType, env: Env, completion: AsyncCompletionClient
) -> None:
    questions, refs = await asked(env, 6)

    await howto.deliver(completion, dict(zip(refs[:2], ["a", "b"], strict=True)))
    await howto.deliver_a_stream(completion, dict(zip(refs[2:4], ["c", "d"], strict=True)))
    await howto.shrink_all(completion, dict(zip(refs[4:], ["e", "f"], strict=True)))

    assert [await question.result() for question in questions] == [
        *("a", "b", "c", "d"),
        *("thumbnail of e", "thumbnail of f"),
    ]


async def test_what_starts_and_completes_in_different_places_completes_them(
    howto: ModuleType, env: Env, completion: AsyncCompletionClient
) -> None:
    both = await asyncio.gather(env.ask(), env.ask())
    jobs = {f"job {number}": token(attempt) for number, (_, attempt) in enumerate(both)}

    await howto.serve_printers(completion, jobs)

    assert [await question.result() for question, _ in both] == ["printed", "printed"]


async def test_what_looks_itself_sees_why_it_should_stop(
    howto: ModuleType,
    env: Env,
    completion: AsyncCompletionClient,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (question,), (ref,) = await asked(env, 1)
    await question.handle.terminate()

    await howto.look_itself(completion, ref)

    assert capsys.readouterr().out == "gone\n"


async def test_the_rest_runs_without_temporal(howto: ModuleType) -> None:
    await howto.test_the_work_is_the_answer()

    assert isinstance(howto.declined, ApplicationError)
    assert howto.denied.non_retryable
