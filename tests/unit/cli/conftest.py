"""A gateway that the commands of a test use, and a log of the test's own."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.commands import Served, served_house


@pytest.fixture(autouse=True)
def _log_of_its_own() -> Iterator[None]:
    """The command line sets up its log, on a standard error that ends with the test."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A gateway on fakes, which the environment of the test names."""
    monkeypatch.setenv("RINGBACK_DATA", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    with served_house() as served:
        for name, value in served.environment.items():
            monkeypatch.setenv(name, value)
        yield served
