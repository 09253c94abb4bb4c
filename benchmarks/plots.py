"""Plots of figures, as SVG: one for each part, with a panel for each figure."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.bench import Part
from benchmarks.figures import Figures, Measured
from benchmarks.results import Outcome

_WIDE: Final = 2
"""From how many settings on a line is drawn, instead of bars."""

# The same figures make the same file.
_STYLE: Final[Any] = {"svg.hashsalt": "ringback", "svg.fonttype": "none", "font.size": 9}


def plot(part: Part, outcome: Outcome, file: Path) -> None:
    """Draw the plotted figures of `part` into `file`: medians, with lowest and highest."""
    file.parent.mkdir(parents=True, exist_ok=True)
    figures = Figures(outcome.measured)
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.6 * len(part.PLOTTED), 4.2), layout="constrained")
        panels = figure.subplots(1, len(part.PLOTTED), squeeze=False)[0]
        for panel, what in zip(panels, part.PLOTTED, strict=True):
            _draw(panel, [one for one in figures if one.what == what])
        lines, names = panels[0].get_legend_handles_labels()
        figure.legend(lines, names, loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None})


def _draw(panel: Axes, measured: Iterable[Measured]) -> None:
    shown = list(measured)
    settings = list(dict.fromkeys(one.at for one in shown))
    owners = list(dict.fromkeys(one.of for one in shown))
    for place, of in enumerate(owners):
        series = [one for one in shown if one.of == of]
        where = [settings.index(one.at) for one in series]
        if len(settings) >= _WIDE:
            _line(panel, where, series)
        else:
            _bar(panel, place, series)
    panel.set_title(f"{shown[0].what}, {shown[0].unit}".rstrip(", "))
    panel.set_yscale("log")
    panel.grid(visible=True, axis="y", which="both", alpha=0.3)
    labels = settings if len(settings) >= _WIDE else owners
    panel.set_xticks(range(len(labels)), labels, rotation=20, ha="right")


def _line(panel: Axes, where: list[int], series: list[Measured]) -> None:
    middles = [one.median for one in series]
    panel.errorbar(where, middles, _spread(series), label=series[0].of, marker="o", capsize=3)


def _bar(panel: Axes, place: int, series: list[Measured]) -> None:
    middles = [one.median for one in series]
    panel.bar([place], middles, yerr=_spread(series), label=series[0].of, capsize=3)


def _spread(series: list[Measured]) -> list[list[float]]:
    below = [one.median - one.lowest for one in series]
    above = [one.highest - one.median for one in series]
    return [below, above]
