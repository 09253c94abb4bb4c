"""Plots of figures, as SVG: one for each part, with a panel for each figure."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from benchmarks.bench import Part
from benchmarks.figures import Measured
from benchmarks.results import Outcome

_LINE_FROM: Final = 3
"""From how many settings on they make a line; fewer are bars."""

_BARS: Final = 0.8
"""How much of a setting's place its bars take."""

_FILLED: Final = 0.9

# The same figures make the same file.
_STYLE: Final[Any] = {"svg.hashsalt": "ringback", "svg.fonttype": "none", "font.size": 9}


def plot(part: Part, outcome: Outcome, file: Path) -> None:
    """Draw the plotted figures of `part` into `file`: medians, with lowest and highest."""
    file.parent.mkdir(parents=True, exist_ok=True)
    shown = [one for one in outcome.measured if one.what in part.PLOTTED]
    colours = {of: f"C{n}" for n, of in enumerate(dict.fromkeys(one.of for one in shown))}
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(4.6 * len(part.PLOTTED), 4.2), layout="constrained")
        panels = figure.subplots(1, len(part.PLOTTED), squeeze=False)[0]
        for panel, what in zip(panels, part.PLOTTED, strict=True):
            _draw(panel, [one for one in shown if one.what == what], colours)
        patches = [Patch(color=colour, label=of) for of, colour in colours.items()]
        figure.legend(handles=patches, loc="outside lower center", ncols=3, frameon=False)
        figure.savefig(file, format="svg", metadata={"Date": None})


def _draw(panel: Axes, shown: Sequence[Measured], colours: Mapping[str, str]) -> None:
    settings = list(dict.fromkeys(one.at for one in shown))
    owners = list(dict.fromkeys(one.of for one in shown))
    for place, of in enumerate(owners):
        series = [one for one in shown if one.of == of]
        where = [float(settings.index(one.at)) for one in series]
        if len(settings) < _LINE_FROM:
            shift = (place - (len(owners) - 1) / 2) * _BARS / len(owners)
            where = [one + shift for one in where]
            _bars(panel, where, series, colour=colours[of], width=_BARS / len(owners))
        else:
            _line(panel, where, series, colour=colours[of])
    panel.set_title(f"{shown[0].what}, {shown[0].unit}".rstrip(", "))
    panel.grid(visible=True, axis="y", which="both", alpha=0.3)
    panel.set_xticks(range(len(settings)), settings, rotation=15, ha="right")


def _line(panel: Axes, where: Sequence[float], series: list[Measured], *, colour: str) -> None:
    panel.set_yscale("log")
    middles = [one.median for one in series]
    panel.errorbar(where, middles, _spread(series), color=colour, marker="o", capsize=3)


def _bars(
    panel: Axes, where: Sequence[float], series: list[Measured], *, colour: str, width: float
) -> None:
    middles = [one.median for one in series]
    panel.bar(where, middles, width * _FILLED, yerr=_spread(series), color=colour, capsize=3)


def _spread(series: list[Measured]) -> list[list[float]]:
    below = [one.median - one.lowest for one in series]
    above = [one.highest - one.median for one in series]
    return [below, above]
