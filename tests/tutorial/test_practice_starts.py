"""What a learner gets can be started before anything is done."""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.tutorial.exercises import EXERCISES, files_of
from tests.tutorial.programs import PATIENCE


@pytest.mark.processes
@pytest.mark.parametrize("exercise", EXERCISES, ids=lambda path: path.name)
async def test_every_practice_file_imports(exercise: Path) -> None:
    practice = exercise / "practice"
    modules = ", ".join(file.stem for file in files_of(practice) if file.suffix == ".py")

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "error", "-c", f"import {modules}", cwd=practice, stderr=PIPE
    )
    try:
        async with asyncio.timeout(PATIENCE):
            _, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()

    assert not complaints.decode()
    assert process.returncode == 0
