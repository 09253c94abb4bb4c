"""The description of the machine and of the required programs."""

from pathlib import Path

import pytest

from benchmarks.machine import machine
from benchmarks.programs import MissingToolError
from benchmarks.rivals.restate import restate_program


def test_missing_restate_raises_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="make rivals"):
        restate_program(tmp_path)


def test_machine_includes_the_time_of_a_durable_write(tmp_path: Path) -> None:
    measured = machine(tmp_path)

    assert all(measured.values())
    assert measured["fsync of 4 KiB"].endswith(" ms")
