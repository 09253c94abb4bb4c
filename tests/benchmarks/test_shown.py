"""Results are saved, read back and shown as tables."""

from pathlib import Path

from benchmarks.figures import Bar, Measured
from benchmarks.page import page
from benchmarks.parts import PARTS
from benchmarks.plots import plot
from benchmarks.results import Outcome, Results, load, save
from benchmarks.table import bar_table, figure_table, number

PART = PARTS["accept"]


def measured(of: str, *values: float, at: str = "64 connections") -> Measured:
    return Measured(of, at, PART.COMPARED, "/s", values)


OUTCOME = Outcome(
    [
        measured(PART.OURS, 1000.0, 3000.0, 2000.0),
        measured("theirs", 500.0),
        measured("theirs", 50.0, at="1 connection"),
        Measured(PART.OURS, "64 connections", "p99", "ms", [1.5]),
    ],
    [Bar("fast enough", 0.35, [0.5, 0.4, 0.6]), Bar("not slow", 25, [30.0], "ms", is_ceiling=True)],
    "Each request has its own callback.",
)
RESULTS = Results(
    made_on="2026-11-21",
    minutes=12.25,
    is_quick=False,
    machine={"cores": "2"},
    versions={"Python": "3.11"},
    parts={"accept": OUTCOME},
)


def rows(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|\n").split("|")] for line in table.splitlines()]


def test_saved_results_are_read_back_unchanged(tmp_path: Path) -> None:
    save(RESULTS, tmp_path / "results.json")

    again = load(tmp_path / "results.json")

    assert page(again) == page(RESULTS)
    assert list(again.parts) == ["accept"]


def test_figure_has_its_spread_and_its_ratio() -> None:
    head, _, *table = rows(figure_table(PART, OUTCOME))

    assert head[2:] == ["rate, /s", "p99, ms", "rate: ours ÷ this"]
    assert table == [
        ["64 connections", PART.OURS, "2,000 (1,000 to 3,000)", "1.5", "-"],
        ["64 connections", "theirs", "500", "-", "4"],
        ["1 connection", "theirs", "50", "-", "-"],
    ]


def test_bar_says_whether_it_is_met() -> None:
    _, _, met, missed = rows(bar_table(OUTCOME.bars))

    assert met == ["fast enough", "≥ 0.35", "0.5 (0.4 to 0.6)", "met"]
    assert missed == ["not slow", "≤ 25 ms", "30 ms", "**missed**"]


def test_numbers_have_significant_digits_only() -> None:
    assert [number(value) for value in (0, 0.01234, 12.345, 123.4, 12345.6)] == [
        *("0", "0.0123", "12.3", "123", "12,346")
    ]


def test_equal_figures_make_equal_plots(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        plot(PART, OUTCOME, tmp_path / name)

    assert (tmp_path / "one.svg").read_text() == (tmp_path / "two.svg").read_text()
    assert "<svg" in (tmp_path / "one.svg").read_text()


def test_page_describes_the_machine_and_shows_the_plot() -> None:
    text = page(RESULTS)

    assert "speed/accept.svg" in text
    assert "Each request has its own callback." in text
    assert [*rows(text)[-1]] == ["Python", "3.11"]
    assert "12 minutes" in text
