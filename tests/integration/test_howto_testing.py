"""The test files of the how-to pass in a project of their own."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from ringback.app.dev_server import temporal_binary

pytestmark = [pytest.mark.server, pytest.mark.processes]

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "test-your-activities.md"
ALL, UNITTEST = re.findall(r"```python\n(.*?)```", HOWTO.read_text("utf-8"), re.DOTALL)
MARKED = re.compile(r"^async def test_", re.MULTILINE)
ANYIO = '@pytest.fixture\ndef anyio_backend() -> str:\n    return "asyncio"\n\n\n'


async def run_pytest(folder: Path, *words: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", "-W", "error", *words, str(folder)),
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()
    return printed


def with_mark(name: str, before: str = "") -> str:
    """Return the page's file with a mark on each test."""
    marked = MARKED.sub(f"@pytest.mark.{name}\nasync def test_", ALL)
    return marked.replace("@workflow.defn\n", f"{before}@workflow.defn\n")


async def test_files_of_the_page_pass(tmp_path: Path) -> None:
    temporal_binary()
    (tmp_path / "test_orders.py").write_text(ALL)
    (tmp_path / "test_with_unittest.py").write_text(UNITTEST)
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )

    printed = await run_pytest(tmp_path)

    assert b"9 passed" in printed, printed.decode()


@pytest.mark.thorough
async def test_file_of_the_page_passes_in_strict_mode_beside_tests_of_anyio(
    tmp_path: Path,
) -> None:
    (tmp_path / "test_strict.py").write_text(with_mark("asyncio"))
    (tmp_path / "test_anyio.py").write_text(with_mark("anyio", ANYIO))
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\nasyncio_default_fixture_loop_scope = function\n"
    )

    printed = await run_pytest(tmp_path, "-n", "2")

    assert b"16 passed" in printed, printed.decode()


@pytest.mark.thorough
async def test_file_of_the_page_passes_with_anyio_alone(tmp_path: Path) -> None:
    (tmp_path / "test_anyio.py").write_text(with_mark("anyio", ANYIO))
    (tmp_path / "pytest.ini").write_text("[pytest]\n")

    printed = await run_pytest(tmp_path, "-p", "no:asyncio")

    assert b"8 passed" in printed, printed.decode()


@pytest.mark.thorough
@pytest.mark.timeout(300)  # it installs all packages
async def test_extra_alone_runs_the_files_of_the_page(tmp_path: Path) -> None:
    bin_ = Path(sys.executable).parent
    root = HOWTO.parents[2]
    wheels, clean = tmp_path / "wheels", tmp_path / "clean"
    await run_program(
        *(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation"),
        *("-w", str(wheels), str(root)),
    )
    (wheel,) = wheels.glob("ringback-*.whl")
    await run_program(str(bin_ / "uv"), "venv", "-q", "--python", sys.executable, str(clean))
    python = str(clean / "bin" / "python")
    await run_program(
        *(str(bin_ / "uv"), "pip", "install", "-q", "--python", python),
        *("--constraint", str(root / "requirements" / "dev.txt")),
        *(f"{wheel}[testing]", "pytest", "pytest-asyncio"),
    )
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "test_orders.py").write_text(ALL)
    (folder / "pytest.ini").write_text(
        "[pytest]\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n"
    )

    printed = await run_program(python, "-m", "pytest", "-q", "-W", "error", str(folder))

    assert b"8 passed" in printed, printed.decode()


async def run_program(*words: str) -> bytes:
    """Run a program, and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed
