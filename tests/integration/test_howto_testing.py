"""The test of the how-to passes in a project of its own."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from ringback.app.dev_server import temporal_binary

pytestmark = [pytest.mark.server, pytest.mark.processes]

HOWTO = Path(__file__).parents[2] / "docs" / "howto" / "test-your-activities.md"


async def test_test_of_the_page_passes(tmp_path: Path) -> None:
    temporal_binary()
    *_, code = re.findall(r"```python\n(.*?)```", HOWTO.read_text("utf-8"), re.DOTALL)
    (tmp_path / "test_orders.py").write_text(code)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode = auto\n")

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "pytest", "-q", str(tmp_path)),
        cwd=tmp_path,
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await process.communicate()

    assert b"1 passed" in printed
