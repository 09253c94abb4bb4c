"""Each bar of a part can be missed."""

import pytest

from benchmarks.figures import Figures, Notes
from benchmarks.parts import burst


def burst_figures(*, unanswered: int = 0, lost: int = 0, peak: float = 100.0) -> Figures:
    notes = Notes()
    measured = {
        "unanswered": unanswered,
        "lost": lost,
        "memory at a third": 90.0,
        "peak memory": peak,
    }
    for what, value in measured.items():
        notes.add(value, "", of=burst.OURS, at="20,000 answers", what=what)
    return Figures(notes.measured())


def test_burst_that_is_accepted_and_stored_meets_its_bars() -> None:
    assert all(bar.is_met for bar in burst.bars(burst_figures()))


@pytest.mark.parametrize(
    "figures",
    [
        burst_figures(unanswered=1),
        burst_figures(lost=1),
        burst_figures(unanswered=20_000),
        burst_figures(peak=200.0),
    ],
)
def test_burst_with_losses_or_growing_memory_misses_a_bar(figures: Figures) -> None:
    assert [bar.is_met for bar in burst.bars(figures)].count(False) == 1
