"""What takes part is told before anything is measured."""

from pathlib import Path

import pytest

from benchmarks.machine import machine
from benchmarks.programs import MissingToolError
from benchmarks.rivals.restate import restate_program


def test_a_machine_without_restate_is_told_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(MissingToolError, match="make rivals"):
        restate_program(tmp_path)


def test_the_machine_is_told_with_the_price_of_a_durable_write(tmp_path: Path) -> None:
    told = machine(tmp_path)

    assert all(told.values())
    assert told["fsync of 4 KiB"].endswith(" ms")
