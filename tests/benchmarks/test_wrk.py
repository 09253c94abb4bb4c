"""The output of wrk is read, and a missing wrk is an error."""

import pytest

from benchmarks.programs import MissingToolError, NotStartedError
from benchmarks.wrk import DriveError, parse, wrk_program

PRINTED = """Running 17s test @ http://127.0.0.1:1234
  1 threads and 64 connections
Requests/sec:   1000.00

RESULT {"answered": 2000, "seconds": 2.0, "p50": 1.5, "p99": 9.25, \
"refused": 200, "connect": 1, "read": 2, "write": 3, "timeout": 4}
"""


def test_rate_counts_successful_replies_only() -> None:
    load = parse(PRINTED, cpu_seconds=0.5)

    assert (load.answered, load.good, load.rate) == (2000, 1800, 900.0)
    assert (load.p50, load.p99) == (1.5, 9.25)


def test_errors_are_counted() -> None:
    load = parse(PRINTED, cpu_seconds=0.5)

    assert (load.refused, load.broken, load.late) == (200, 6, 4)
    assert load.client_busy == 0.25


def test_load_with_errors_makes_no_figure() -> None:
    with pytest.raises(DriveError, match="ours: 200 requests were refused, 6 connections broke"):
        parse(PRINTED).check("ours")


def test_missing_result_raises_the_output_of_wrk() -> None:
    with pytest.raises(NotStartedError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:1 Connection refused")


def test_missing_wrk_raises_how_to_install_it() -> None:
    with pytest.raises(MissingToolError, match="apt-get install wrk"):
        wrk_program(path="")
