"""Figures: medians, ratios of a repetition, and bars."""

import pytest

from benchmarks.figures import Bar, Figures, Measured, Notes, percentile


def rates(of: str, *values: float) -> Measured:
    return Measured(of, "64 connections", "rate", "/s", values)


def test_values_of_one_figure_keep_their_order() -> None:
    notes = Notes()
    for value in (3.0, 1.0, 2.0):
        notes.add(value, "/s", of="ours", at="64 connections", what="rate")
    notes.add(7.0, "ms", of="ours", at="64 connections", what="p99")

    first, second = notes.measured()

    assert first == rates("ours", 3.0, 1.0, 2.0)
    assert (first.lowest, first.median, first.highest) == (1.0, 2.0, 3.0)
    assert (second.what, second.values) == ("p99", (7.0,))


def test_ratio_compares_values_of_one_repetition() -> None:
    figures = Figures([rates("ours", 10.0, 30.0), rates("theirs", 5.0, 10.0)])

    assert figures.ratios("ours", "theirs", at="64 connections") == [2.0, 3.0]


def test_difference_compares_values_of_one_repetition() -> None:
    figures = Figures([rates("ours", 10.0, 30.0), rates("theirs", 5.0, 10.0)])

    differences = figures.differences("ours", "theirs", at="64 connections", what="rate")

    assert differences == [5.0, 20.0]


def test_repetition_with_one_missing_value_has_no_ratio() -> None:
    figures = Figures([rates("ours", 10.0, 30.0), rates("theirs", 5.0)])

    with pytest.raises(ValueError, match="shorter"):
        figures.ratios("ours", "theirs", at="64 connections")


def test_unmeasured_figure_has_no_ratio() -> None:
    with pytest.raises(KeyError):
        Figures([rates("ours", 1.0)]).ratios("ours", "theirs", at="64 connections")


@pytest.mark.parametrize(("wanted", "expected"), [(2.0, True), (2.1, False)])
def test_the_median_must_reach_a_floor(wanted: float, *, expected: bool) -> None:
    bar = Bar("it is enough", wanted, [9.0, 2.0, 1.0])

    assert (bar.got, bar.is_met) == (2.0, expected)


@pytest.mark.parametrize(("wanted", "expected"), [(2.0, True), (1.9, False)])
def test_the_median_must_stay_below_a_ceiling(wanted: float, *, expected: bool) -> None:
    bar = Bar("it is not too much", wanted, [9.0, 2.0, 1.0], is_ceiling=True)

    assert (bar.got, bar.is_met) == (2.0, expected)


def test_percentile_is_one_of_the_values() -> None:
    assert percentile(list(range(101)), 99) == 99
    assert percentile([1.0, 3.0], 50) == 2.0
