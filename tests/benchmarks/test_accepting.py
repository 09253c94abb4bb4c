"""The smallest benchmark of accepting answers: real programs, driven by wrk."""

from pathlib import Path
from typing import Literal

import pytest

from benchmarks.bench import Bench
from benchmarks.programs import MissingToolError
from benchmarks.questions import Keys
from benchmarks.stores import SqliteTemplate
from benchmarks.targets import noop, ours
from benchmarks.temporals import silent_temporal
from benchmarks.wrk import DriveError, wrk_program
from tests.services import missing

pytestmark = [pytest.mark.processes, pytest.mark.thorough]

ROOT = Path(__file__).parents[2]
QUESTIONS = 60
FEW = 4


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    try:
        wrk_program()
    except MissingToolError as exc:
        missing("wrk", str(exc))
    return Bench(tmp_path, ROOT, tmp_path, is_quick=True, say=print)


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys(tmp_path)


@pytest.fixture
async def template(bench: Bench, keys: Keys) -> SqliteTemplate:
    return await SqliteTemplate.make(bench.new_folder(), keys, QUESTIONS)


async def test_every_callback_gets_one_answer_and_the_store_has_all(
    bench: Bench, keys: Keys, template: SqliteTemplate
) -> None:
    async with ours(bench, template, keys, temporal=silent_temporal()) as target:
        first = await target.answer(connections=4, seconds=5, at_most=20)
        rest = await target.answer(connections=4, seconds=5)

    assert (first.good, rest.good) == (20, QUESTIONS - 20)
    assert rest.seconds < 5
    assert rest.broken == rest.refused == 0


async def test_lost_answer_ends_the_run(bench: Bench, keys: Keys, template: SqliteTemplate) -> None:
    async def lose_one() -> None:
        async with ours(bench, template, keys, temporal=silent_temporal()) as target:
            await target.answer(connections=4, seconds=5)
            target.taken += 1

    with pytest.raises(DriveError, match="holds 60"):
        await lose_one()


@pytest.mark.parametrize("app", ["asgi", "route"])
async def test_run_ends_when_its_time_is_up(
    bench: Bench, keys: Keys, app: Literal["asgi", "route"]
) -> None:
    template = await SqliteTemplate.make(bench.new_folder(), keys, FEW)
    async with noop(bench, template.paths, app=app) as target:
        load = await target.answer(connections=4, seconds=0.3)

    assert load.answered > FEW
    assert load.seconds >= 0.3
