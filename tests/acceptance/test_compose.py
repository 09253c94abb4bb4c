"""What `make up` and `make client` run in Docker does its work, as processes without an engine."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.programs import program
from tests.sandbox import need_sandbox

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.timeout(120)]

# The process ids are its own, too: all programs end with it.
UNSHARE = [
    *("unshare", "--net", "--mount", "--map-root-user"),
    *("--pid", "--fork", "--kill-child", "--mount-proc"),
]

STARTED_FIRST = {"-": [], "docker-compose.postgresql.yml": ["postgresql", "setup"]}


def is_unshared() -> bool:
    """Check whether this user may have a network of its own."""
    return (
        shutil.which("unshare") is not None
        and subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0  # noqa: S603 - fixed words
    )


@pytest.mark.skipif(
    not is_unshared() and "REQUIRE_SERVICES" not in os.environ,
    reason=f"needs Linux, and the right to run: {' '.join(UNSHARE)} true",
)
@pytest.mark.parametrize(
    "further",
    ["-", pytest.param("docker-compose.postgresql.yml", marks=pytest.mark.thorough)],
    ids=["SQLite", "PostgreSQL"],
)
async def test_clients_complete_workflows_of_the_composed_services(
    tmp_path: Path, further: str
) -> None:
    need_sandbox()
    inside = [sys.executable, "-m", "tests.acceptance.compose_services", str(tmp_path), further]

    async with program([*UNSHARE, *inside, "-ttr", "0", "-ttc", "1"], {}) as composed:
        # Each has as long as a line may take.
        for service in ("temporal", *STARTED_FIRST[further], "gateway", "worker"):
            await composed.line(f"up {service}")
        for _ in ("demo", "example"):
            await composed.line("started call-service")
        seen = json.loads((await composed.line("seen ")).removeprefix("seen "))
        code = await composed.end()

    assert seen == {"client": 0, "example": 0, "ui": True, "ended": []}, composed.output
    assert code == 0, composed.output
