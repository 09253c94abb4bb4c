"""The page of the documentation that shows the results; `docs/generate.py` writes it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.bench import TIMES, Part
from benchmarks.parts import PARTS
from benchmarks.results import Outcome, Results
from benchmarks.table import bar_table, figure_table, markdown

RESULTS: Final = Path(__file__).parent / "results.json"
"""What the last whole run wrote."""

PLOTS: Final = "speed"
"""The folder of the plots, next to the page."""


def page(results: Results) -> str:
    """Return the text below the page's heading."""
    return "\n".join([*_head(results), *_parts(results), *_where(results)])


def page_of(part: Part, results: Results) -> str:
    """Return the text below the heading of the page of a part that is measured alone."""
    outcome = results.parts[part.WORK]
    return "\n".join([outcome.method + "\n", section(part, outcome), *_where(results, part.WORK)])


def section(part: Part, outcome: Outcome) -> str:
    """Return the tables of one part, without its heading and plot."""
    return "\n".join([bar_table(outcome.bars), figure_table(part, outcome)])


def _head(results: Results) -> Iterator[str]:
    if results.is_quick:
        yield "**This was a quick run that only checks the benchmarks. Its figures mean little.**\n"
    yield (
        "This page compares the speed of Ringback with that of the alternatives. One run of"
        " `make bench` on one machine measured all figures. Absolute figures say little about"
        " another machine; the ratios say more. Run it on yours.\n"
    )
    yield (
        "A cell is the median of its repetitions, with the lowest and the highest in parentheses."
        f" Figures with a bar are measured at least {TIMES} times, unless the part differs."
        " The repetitions of the compared programs alternate, so a slow phase of the machine"
        " slows all of them. The ratio in a bar is the median of the ratios of each repetition."
        " All programs and the client run on the same machine and share its processors.\n"
    )


def _parts(results: Results) -> Iterator[str]:
    for work, outcome in results.parts.items():
        part = PARTS[work]
        yield f"## {part.TITLE}\n"
        yield outcome.method + "\n"
        yield section(part, outcome)
        if part.PLOTTED:
            yield f"![{part.TITLE}]({PLOTS}/{work}.svg)\n"


def _where(results: Results, file: str = "results") -> Iterator[str]:
    yield "## Where\n"
    yield (
        f"Measured on {results.made_on} (UTC), in {results.minutes:.0f} minutes."
        f" `benchmarks/{file}.json` has every repetition.\n"
    )
    rows = [*results.machine.items(), *results.versions.items()]
    yield markdown(["", ""], rows)
