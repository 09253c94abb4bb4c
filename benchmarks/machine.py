"""The machine that a run was made on, and the versions of all that took part."""

import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Final

from benchmarks.postgresql import postgresql_programs
from benchmarks.rivals.restate import restate_program
from benchmarks.wrk import wrk_program
from ringback.app.dev_server import temporal_binary

_FSYNCS: Final = 100
_PACKAGES: Final = (
    "ringback",
    "starlette",
    "uvicorn",
    "uvloop",
    "httptools",
    "sqlalchemy",
    "asyncpg",
    "temporalio",
    "fastapi",
    "restate_sdk",
)


def machine(folder: Path) -> dict[str, str]:
    """Return what the machine is, by name; `folder` is where stores are kept."""
    return {
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "memory": f"{_memory() / 2**30:.0f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "fsync of 4 KiB": f"{_fsync_seconds(folder) * 1000:.2f} ms",
    }


def versions(rivals: Path) -> dict[str, str]:
    """Return the versions of all that take part, by name.

    Raises:
        MissingToolError: One of them is not on this machine.
    """
    packages = {name: found for name in _PACKAGES if (found := _version(name))}
    python = f"{platform.python_implementation()} {platform.python_version()}"
    return {"Python": python, **packages, **dict(_programs(rivals))}


def _programs(rivals: Path) -> Iterator[tuple[str, str]]:
    yield "wrk", _first_line(wrk_program(), "--version").partition(" Copyright")[0]
    yield "Temporal", _first_line(temporal_binary(), "--version")
    yield "PostgreSQL", _first_line(str(postgresql_programs() / "postgres"), "--version")
    yield "Restate", _first_line(str(restate_program(rivals)), "--version")


def _first_line(*words: str) -> str:
    # wrk prints its version and exits with 1.
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr).splitlines()[0]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    facts = _facts(Path("/proc/cpuinfo"))
    return facts.get("model name") or platform.processor() or platform.machine()


def _memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _facts(path: Path) -> Mapping[str, str]:
    if not path.exists():
        return {}
    pairs = [line.partition(":") for line in path.read_text().splitlines()]
    return {name.strip(): value.strip() for name, _, value in pairs}


def _fsync_seconds(folder: Path) -> float:
    took = []
    with (folder / "probe").open("wb", buffering=0) as file:
        for _ in range(_FSYNCS):
            began = time.perf_counter()
            file.write(bytes(4096))
            os.fsync(file.fileno())
            took.append(time.perf_counter() - began)
    return median(took)
